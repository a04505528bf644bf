# SPDX-License-Identifier: MIT
import concurrent.futures
import threading
import time

pool = concurrent.futures.ThreadPoolExecutor(1)


def feed():
    while True:  # until it is refused
        pool.submit(int).result()
        time.sleep(0.01)  # HERE feeds


threading.Thread(target=feed, name="feeder").start()
