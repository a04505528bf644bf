# SPDX-License-Identifier: MIT
import os


def test_that_reads_what_nobody_writes(tmp_path):
    os.mkfifo(tmp_path / "queue")
    with open(tmp_path / "queue") as queue:  # HERE opens
        queue.read()
