# SPDX-License-Identifier: MIT
import threading

import _interpreters

INSIDE = """
import threading, time

def lingers():
    time.sleep(1000)

threading.Thread(target=lingers, name="lingers", daemon=True).start()
"""


def destroys():
    interpreter = _interpreters.create("legacy")
    _interpreters.run_string(interpreter, INSIDE)
    _interpreters.destroy(interpreter)


thread = threading.Thread(target=destroys, name="destroyer")
thread.start()
thread.join()
