# SPDX-License-Identifier: MIT
import ctypes
import os
import threading

native = ctypes.PyDLL(os.environ["NATIVE"])
is_searching = threading.Event()


def search():
    is_searching.set()
    native.search()  # HERE calls


def test_that_searches():
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    threading.Thread(target=search, name="searcher", daemon=True).start()
    os.setpriority(os.PRIO_PROCESS, 0, 19)  # of this thread alone
    is_searching.wait()
