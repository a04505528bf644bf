# SPDX-License-Identifier: MIT
"""Threads at the end of a program that are as they should be."""
import atexit
import queue
import threading
import time

forever = threading.Lock()
forever.acquire()
threading.Thread(target=forever.acquire, name="daemon", daemon=True).start()


def begin_another():
    """Python waits for threads that its threads begin while it waits."""
    time.sleep(0.2)
    last = threading.Thread(target=time.sleep, args=(0.1,))
    last.start()
    last.join()


threading.Thread(target=begin_another).start()
jobs = queue.Queue()
worker = threading.Thread(target=jobs.get, daemon=True)
worker.start()


def drain():
    jobs.put(None)
    worker.join()


atexit.register(drain)
