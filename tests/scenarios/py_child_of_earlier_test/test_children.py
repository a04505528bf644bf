# SPDX-License-Identifier: MIT
import subprocess

children = []


def test_that_starts_a_child():
    children.append(subprocess.Popen(["sleep", "1000"], stdout=subprocess.PIPE))


def test_that_reads():
    assert children[0].stdout.read() == b""  # HERE reads
