# SPDX-License-Identifier: MIT
"""Interpreters at odd moments of their lives; the argument says which. Prints lines, then READY; "SKIP" where this version
has no such thing. Waits for ever.

  own        H native_id: a thread that spins in an interpreter with a GIL of its own, while the main thread spins, too
  nested     H native_id: a thread that sleeps in an interpreter that was made in another one
  destroying H native_id: the main thread, which destroys an interpreter with a thread in it
  parked     daemon threads that finalisation stopped, while a finaliser sleeps: D and their number, or 0 where they end
  signalled  the main thread, which sleeps in an interpreter of its own while SIGINT and SIGUSR1 wait for their handlers
  guarded    a finalisation that waits for a guard of the interpreter
"""
import ctypes
import os
import signal
import sys
import threading
import time

VERSION = sys.version_info[:3]
try:
    import _interpreters as module
except ImportError:
    import _xxsubinterpreters as module


def say(text):
    os.write(1, text.encode())


def create(is_own):
    if VERSION >= (3, 13):
        return module.create("isolated" if is_own else "legacy")
    return module.create(isolated=is_own) if VERSION >= (3, 9) else module.create()


def run(number, code):
    problem = module.run_string(number, code)
    if problem:
        say("%s\n" % problem.formatted)


def own():
    if VERSION < (3, 12):
        return say("SKIP\nREADY\n")
    number = create(True)
    me = threading.get_native_id

    def enter():
        run(number, "import os\nos.write(1, b'H %d\\nREADY\\n')\nwhile True: pass" % me())
    threading.Thread(target=enter, daemon=True).start()
    while True:
        pass


def nested():
    inner = """if True:
        import sys, os, time
        try:
            import _interpreters as module
            number = module.create("legacy")
        except ImportError:
            import _xxsubinterpreters as module
            number = module.create(isolated=False) if sys.version_info >= (3, 9) else module.create()
        module.run_string(number, "import os, time\\nos.write(1, b'H %d\\\\nREADY\\\\n')\\ntime.sleep(1000)")
    """
    number = create(False)
    threading.Thread(target=lambda: run(number, inner % threading.get_native_id()), daemon=True).start()
    time.sleep(1000)


def destroying():
    if VERSION < (3, 12):
        return say("SKIP\nREADY\n")
    number = create(False)
    run(number, "import threading, time\nthreading.Thread(target=time.sleep, args=(1000,), name='inside').start()")
    say("H %d\nREADY\n" % threading.get_native_id())
    module.destroy(number)


class Late:
    def __init__(self):
        self.sleep, self.say = time.sleep, say

    def __del__(self, write=os.write, version=VERSION):
        self.sleep(.3)  # for the threads to come back
        write(1, b"D %d\nREADY\n" % (2 if version >= (3, 13, 6) else 0))
        self.sleep(1000)


def parked():
    for i in range(2):
        threading.Thread(target=lambda: [time.sleep(.01) for _ in iter(int, 1)], daemon=True).start()
    time.sleep(.2)
    sys.late = Late()


def signalled():
    signal.signal(signal.SIGUSR1, lambda *_: None)

    def interrupt():
        for number in signal.SIGINT, signal.SIGUSR1:
            os.kill(os.getpid(), number)
        say("READY\n")
    number = create(False)
    threading.Timer(.3, interrupt).start()
    run(number, "import time\nwhile True: time.sleep(1000)")


def guarded():
    if VERSION < (3, 15):
        return say("SKIP\nREADY\n")
    ctypes.pythonapi.PyInterpreterGuard_FromCurrent()
    threading.Timer(.3, lambda: say("READY\n")).start()


globals()[sys.argv[1]]()
