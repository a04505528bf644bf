# SPDX-License-Identifier: MIT
import threading

both_have_one = threading.Barrier(2)


class Account:
    def __init__(self):
        self.lock = threading.Lock()
        self.amount = 100

    def transfer(self, other, amount):
        self.lock.acquire()
        try:
            both_have_one.wait()
            other.lock.acquire()  # HERE wants-the-other
            try:
                self.amount -= amount
                other.amount += amount
            finally:
                other.lock.release()
        finally:
            self.lock.release()


first, second = Account(), Account()
threads = [threading.Thread(target=first.transfer, args=(second, 1), name="ada"),
           threading.Thread(target=second.transfer, args=(first, 1), name="ben")]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
