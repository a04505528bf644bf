# SPDX-License-Identifier: MIT
"""A thread enters a subinterpreter that shares the GIL and spins there: H native_id of that thread, then READY."""
import os
import sys
import threading

try:
    import _interpreters as module
except ImportError:
    import _xxsubinterpreters as module

if sys.version_info >= (3, 13):
    number = module.create("legacy")
elif sys.version_info >= (3, 9):
    number = module.create(isolated=False)
else:
    number = module.create()


def enter():
    module.run_string(number, "import os\nos.write(1, b'H %d\\nREADY\\n')\nwhile True: pass" % threading.get_native_id())


threading.Thread(target=enter, daemon=True).start()
os.read(0, 1)
os._exit(0)
