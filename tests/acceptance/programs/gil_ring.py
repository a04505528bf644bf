# SPDX-License-Identifier: MIT
"""An extension's lock and the GIL in a ring. Who has the lock asks for the GIL in another line with each run:
python3 gil_ring.py EXTENSION.so FILE-OF-RUNS"""
import ctypes
import os
import sys
import threading
import time

sys.setswitchinterval(1000)  # who has the GIL keeps it
callback = ctypes.CFUNCTYPE(None)(lambda: None)
releasing, keeping = ctypes.CDLL(sys.argv[1]), ctypes.PyDLL(sys.argv[1])
with open(sys.argv[2], "ab", 0) as runs:
    runs.write(b".")
counts = []
is_odd = os.path.getsize(sys.argv[2]) % 2


def call_back():
    while not counts:
        if is_odd:
            releasing.call_with_ledger(callback)
        else:
            releasing.call_with_ledger(callback)


def count():
    for _ in range(100):  # the other one has the lock in every second of them
        for _ in range(100000):
            pass
        keeping.count_in_ledger()
        time.sleep(0)
    counts.append(100)


threads = [threading.Thread(target=function) for function in (call_back, count)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
