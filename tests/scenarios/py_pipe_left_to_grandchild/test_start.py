# SPDX-License-Identifier: MIT
import os
import subprocess

SERVICE = "while kill -0 %d; do sleep 1 >/dev/null; done" % os.getpid()  # it serves as long as the tests run


def test_that_starts_a_service():
    command = ["sh", "-c", "(%s) & echo started" % SERVICE]
    assert subprocess.run(command, stdout=subprocess.PIPE).stdout == b"started\n"  # HERE reads
