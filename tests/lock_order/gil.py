# SPDX-License-Identifier: MIT
"""An extension's lock under the GIL, long after the GIL under the lock: python3 gil.py EXTENSION.so"""
import ctypes
import sys
import threading
import time

callback = ctypes.CFUNCTYPE(None)(lambda: None)
releasing, keeping = ctypes.CDLL(sys.argv[1]), ctypes.PyDLL(sys.argv[1])


def call_back():
    releasing.call_with_ledger(callback)


def count():
    time.sleep(.02)
    keeping.count_in_ledger()


threads = [threading.Thread(target=function) for function in (call_back, count)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
