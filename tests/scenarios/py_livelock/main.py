# SPDX-License-Identifier: MIT
import threading

fork, knife = threading.Lock(), threading.Lock()
both = threading.Barrier(2)


def dine(first, second):
    while True:
        with first:
            both.wait()  # each has one before it asks for the other
            if second.acquire(timeout=0.01):  # HERE tries
                return
            both.wait()


threads = [threading.Thread(target=dine, args=(fork, knife), name="polite"),
           threading.Thread(target=dine, args=(knife, fork), name="courteous")]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
