# SPDX-License-Identifier: MIT
import threading

account = threading.Lock()
journal = threading.Lock()
both_have_one = threading.Barrier(2)


def debit():
    with account:
        both_have_one.wait()
        with journal:  # HERE debit-wants
            pass


def credit():
    with journal:
        both_have_one.wait()
        with account:  # HERE credit-wants
            pass


threading.Thread(target=threading.Event().wait, name="idle", daemon=True).start()
threads = [threading.Thread(target=debit, name="debit"), threading.Thread(target=credit, name="credit")]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
