# SPDX-License-Identifier: MIT
"""Programs for python_hooks_test: each begins where COMMON ends. They print nothing that a failing call would not."""

COMMON = """
import sys, threading
if sys.version_info >= (3, 13):
    import _interpreters as interpreters
    run = interpreters.exec
elif sys.version_info >= (3, 8):
    import _xxsubinterpreters as interpreters
    run = interpreters.run_string
"""

# Through the module that Python's own library uses.
CREATE_AND_DESTROY = COMMON + """
one = interpreters.create()
run(one, "x = 1")
interpreters.destroy(one)
"""

# Through the C API; the subinterpreter starts a thread.
RUN_IN_SUBINTERPRETER = COMMON + """
import _testcapi
assert _testcapi.run_in_subinterp('''
import threading
thread = threading.Thread(target=lambda: None)
thread.start()
thread.join()
''') == 0
"""

# Created by one thread, destroyed by another.
DESTROY_ELSEWHERE = COMMON + """
one = interpreters.create()
thread = threading.Thread(target=interpreters.destroy, args=(one,))
thread.start()
thread.join()
"""

EXIT_3 = CREATE_AND_DESTROY + "sys.exit(3)\n"

# Each interpreter with a GIL of its own, so that their makers do not wait for each other.
SEVERAL_AT_ONCE = COMMON + """
def work():
    for _ in range(8):
        interpreters.destroy(interpreters.create())
threads = [threading.Thread(target=work) for _ in range(6)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
"""

MORE_THAN_THE_TABLE_HOLDS = COMMON + """
import os
kept = [interpreters.create() for _ in range(70)]  # in 3.12 an interpreter goes with the last reference to its id
os._exit(0)
"""

# Destroying waits for a thread of the subinterpreter that is parked for ever.
DESTROY_BLOCKED = COMMON + """
import _testcapi
_testcapi.run_in_subinterp('''
import threading
lock = threading.Lock()
lock.acquire()
threading.Thread(target=lock.acquire).start()
''')
"""
