# SPDX-License-Identifier: MIT
"""Accounts with a lock each. Two transfers in opposite directions take the two locks in opposite order."""

import threading


class Account:
    def __init__(self, amount, before_second_lock=lambda: None):
        self.lock = threading.Lock()
        self.amount = amount
        self.before_second_lock = before_second_lock

    def transfer(self, other, amount):
        with self.lock:
            self.before_second_lock()
            with other.lock:  # HERE second-lock
                self.amount -= amount
                other.amount += amount


def test_transfer():
    rent, savings = Account(100), Account(50)
    rent.transfer(savings, 30)
    assert (rent.amount, savings.amount) == (70, 80)


def test_transfers_one_way():
    rent, savings = Account(100), Account(0)
    threads = [threading.Thread(target=rent.transfer, args=(savings, 1)) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (rent.amount, savings.amount) == (80, 20)


def test_transfers_both_ways():
    both_have_one = threading.Barrier(2)
    rent, savings = Account(100, both_have_one.wait), Account(100, both_have_one.wait)
    threads = [
        threading.Thread(target=rent.transfer, args=(savings, 1), name="pay-in", daemon=True),
        threading.Thread(target=savings.transfer, args=(rent, 1), name="pay-out", daemon=True),
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=2)
    assert not any(thread.is_alive() for thread in threads)
