# SPDX-License-Identifier: MIT
import multiprocessing

WORKERS = 100
context = multiprocessing.get_context("fork")
lock = context.Lock()


def work(_):
    with lock:  # HERE workers-want
        pass


if __name__ == "__main__":
    lock.acquire()
    with context.Pool(WORKERS) as pool:
        pool.map(work, range(WORKERS), chunksize=1)  # HERE parent-waits
