# SPDX-License-Identifier: MIT
"""
Tests beside which a thread keeps house, a little every 0.1 ms. At the begin and end of each test coverage 6.5 iterates over
the set of lines that were run, while the other thread's trace function adds to it (nedbat/coveragepy, pull request 2165).
"""
import threading

import big

FUNCTIONS = [getattr(big, name) for name in sorted(dir(big)) if name.startswith("function_")]
OF_TESTS, OF_HOUSEKEEPING = FUNCTIONS[:60], FUNCTIONS[60:]
is_over = threading.Event()


def keep_house():
    number = 0
    while not is_over.wait(0.0001):
        OF_HOUSEKEEPING[number % len(OF_HOUSEKEEPING)](number)
        number += 1


def test_one():
    for function in OF_TESTS:
        function(1)


def test_two():
    for function in OF_TESTS:
        function(2)


thread = threading.Thread(target=keep_house, daemon=True)
thread.start()
for _ in range(10):
    test_one()
    test_two()
is_over.set()
thread.join()
