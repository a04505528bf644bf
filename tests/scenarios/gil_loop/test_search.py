# SPDX-License-Identifier: MIT
import ctypes
import os
import threading

native = ctypes.PyDLL(os.environ["NATIVE"])


def search():
    native.search()  # HERE calls


def test_that_searches():
    thread = threading.Thread(target=search, name="searcher", daemon=True)
    thread.start()
    thread.join()
