# SPDX-License-Identifier: MIT
"""Threads in a subinterpreter: a count that is read at one line and written at the next."""
import sys

SOURCE = """
import threading
count = 0
def work():
    global count
    for _ in range(20):
        now = count
        count = now + 1
threads = [threading.Thread(target=work) for _ in range(2)]
for thread in threads: thread.start()
for thread in threads: thread.join()
print("lost" if count < 40 else "right")
"""

if sys.version_info >= (3, 13):
    import _interpreters as interpreters
else:
    import _xxsubinterpreters as interpreters
# From 3.9 to 3.11 an isolated one makes no threads.
made = interpreters.create(isolated=False) if (3, 9) <= sys.version_info < (3, 12) else interpreters.create()
interpreters.run_string(made, SOURCE)
interpreters.destroy(made)
