# SPDX-License-Identifier: MIT
from concurrent.futures import ThreadPoolExecutor

pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="pool")


def outer():
    return pool.submit(int).result()  # HERE worker-waits


pool.submit(outer).result()  # HERE main-waits
