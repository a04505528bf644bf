# SPDX-License-Identifier: MIT
import time


def test_slow():
    end = time.monotonic() + 3
    while time.monotonic() < end:
        sum(range(1000))
