# SPDX-License-Identifier: MIT
import threading
from concurrent.futures import ThreadPoolExecutor

ledger_lock = threading.Lock()
pool = ThreadPoolExecutor(1, thread_name_prefix="poster")


def post():
    with ledger_lock:  # HERE worker-wants
        return 1


with ledger_lock:
    posted = pool.submit(post)
    posted.result()  # HERE main-waits
