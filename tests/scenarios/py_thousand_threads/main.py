# SPDX-License-Identifier: MIT
import threading

threading.stack_size(256 * 1024)
account, ledger, both = threading.RLock(), threading.RLock(), threading.Barrier(2)
work_came = threading.Event()


def worker():
    work_came.wait()  # HERE idles


def debit():
    with account:
        both.wait()
        with ledger:  # HERE debit-wants
            pass


def credit():
    with ledger:
        both.wait()
        with account:  # HERE credit-wants
            pass


for i in range(1000):
    threading.Thread(target=worker, name="worker", daemon=True).start()
    if i == 500:
        threading.Thread(target=debit, name="debit").start()
threading.Thread(target=credit, name="credit").start()
