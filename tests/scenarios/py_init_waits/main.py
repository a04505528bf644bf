# SPDX-License-Identifier: MIT
import threading

lock = threading.Lock()


class Account:
    def __init__(self):
        with lock:  # HERE wants-it-again
            self.money = 0


def open_account():
    return Account()


for _ in range(100):  # so that the interpreter calls __init__ its quick way
    open_account()
with lock:
    open_account()  # HERE has-it
