# SPDX-License-Identifier: MIT
try:
    import _interpreters as interpreters
except ImportError:
    import _xxsubinterpreters as interpreters

# A thread of the subinterpreter that wakes up when finalisation has begun, wants the GIL, and is ended for that.
number = interpreters.create("legacy") if hasattr(interpreters, "new_config") else interpreters.create(isolated=False)
interpreters.run_string(number, """
import threading, time
threading.Thread(target=time.sleep, args=(0.5,), name="sleeper").start()
""")


class Slow:
    def __del__(self, sleep=__import__("time").sleep):
        sleep(1)
