# SPDX-License-Identifier: MIT
import os
import signal
import threading

try:
    import _interpreters as interpreters
except ImportError:
    import _xxsubinterpreters as interpreters

may_interrupt = threading.Event()


def interrupt():
    may_interrupt.wait()
    os.kill(os.getpid(), signal.SIGINT)


threading.Thread(target=interrupt, name="user").start()
number = interpreters.create()
threading.Timer(0.3, may_interrupt.set).start()
interpreters.run_string(number, "import threading; threading.Event().wait()")  # HERE executes
