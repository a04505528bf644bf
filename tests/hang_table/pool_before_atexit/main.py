# SPDX-License-Identifier: MIT
import atexit
import concurrent.futures
import threading

stop = threading.Event()
atexit.register(stop.set)


def poll():
    stop.wait()  # HERE polls


pool = concurrent.futures.ThreadPoolExecutor(1, thread_name_prefix="poller")
pool.submit(poll)
