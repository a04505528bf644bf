# SPDX-License-Identifier: MIT
"""Tests beside which a helper thread runs, a little each millisecond. At the end of each test coverage 6.5 iterates over the
set of lines that were run, while the helper's trace function adds to it (nedbat/coveragepy, pull request 2165)."""
import threading
import time

import big

FUNCTIONS = [getattr(big, name) for name in sorted(dir(big)) if name.startswith("function_")]
OF_TESTS, OF_HELPER = FUNCTIONS[:60], FUNCTIONS[60:]


def helper():
    for number in range(30):
        OF_HELPER[number % len(OF_HELPER)](number)
        time.sleep(0.001)


def test_one():
    for function in OF_TESTS:
        function(1)


def test_two():
    for function in OF_TESTS:
        function(2)


thread = threading.Thread(target=helper)
thread.start()
for _ in range(3):
    test_one()
    test_two()
thread.join()
