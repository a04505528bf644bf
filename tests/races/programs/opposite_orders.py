# SPDX-License-Identifier: MIT
"""Two accounts, money moved both ways, each way takes the locks in its own order: a deadlock."""
import threading


class Account:
    def __init__(self):
        self.lock = threading.Lock()
        self.money = 100

    def take(self, sum_):
        self.money -= sum_

    def put(self, sum_):
        self.money += sum_


def move(source, target):
    for sum_ in range(100):
        with source.lock:
            source.take(sum_)
            with target.lock:
                target.put(sum_)


one, other = Account(), Account()
threads = [threading.Thread(target=move, args=way) for way in ((one, other), (other, one))]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
