# SPDX-License-Identifier: MIT
import queue
import threading

try:
    import _interpreters as interpreters
except ImportError:
    import _xxsubinterpreters as interpreters

import inside

work = queue.Queue()
numbers = []


def test_that_leaves_an_idle_worker():
    threading.Thread(target=work.get, name="cached-worker", daemon=True).start()


def test_that_leaves_a_thread_inside():
    numbers.append(interpreters.create())
    interpreters.run_string(numbers[0], "import sys; sys.path.insert(0, %r)\n"
                                        "import inside; inside.leave_a_parked_thread()" % inside.FOLDER)


def test_that_never_ends():
    interpreters.destroy(numbers[0])  # HERE destroys
