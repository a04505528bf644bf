# SPDX-License-Identifier: MIT
import queue
import threading

import _testcapi

import inside

work = queue.Queue()


def test_that_leaves_an_idle_worker():
    threading.Thread(target=work.get, name="cached-worker", daemon=True).start()


def test_that_never_ends():
    _testcapi.run_in_subinterp("import sys; sys.path.insert(0, %r)\n"  # HERE runs
                               "import inside; inside.leave_a_parked_thread()" % inside.FOLDER)


if __name__ == "__main__":  # where there is no pytest
    test_that_leaves_an_idle_worker()
    test_that_never_ends()
