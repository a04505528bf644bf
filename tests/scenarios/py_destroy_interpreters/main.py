# SPDX-License-Identifier: MIT
import queue
import threading

try:
    import _interpreters as interpreters
except ImportError:
    import _xxsubinterpreters as interpreters

import inside

work = queue.Queue()
threading.Thread(target=work.get, name="cached-worker", daemon=True).start()

number = interpreters.create()
interpreters.run_string(number, "import sys; sys.path.insert(0, %r)\n"
                                "import inside; inside.leave_a_parked_thread()" % inside.FOLDER)
interpreters.destroy(number)  # HERE destroys
