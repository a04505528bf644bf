# SPDX-License-Identifier: MIT
from concurrent.futures import ThreadPoolExecutor

pool = ThreadPoolExecutor(1, thread_name_prefix="only-worker")


def part():
    return 1


def whole():
    return pool.submit(part).result()  # HERE waits-for-its-own-pool


print(pool.submit(whole).result())  # HERE waits-for-the-whole
