# SPDX-License-Identifier: MIT
import os
import pty
import sys


def test_that_expects_another_prompt():
    pid, terminal = pty.fork()
    if pid == 0:
        os.execl(sys.executable, sys.executable, "-c", "input('Password: ')")
    seen = b""
    while b"login: " not in seen:
        seen += os.read(terminal, 1024)  # HERE reads
