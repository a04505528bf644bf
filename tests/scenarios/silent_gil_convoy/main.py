# SPDX-License-Identifier: MIT
import threading
import time


def spin(end):
    while time.monotonic() < end:
        sum(range(100))


threads = [threading.Thread(target=spin, args=(time.monotonic() + 3,)) for _ in range(8)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
