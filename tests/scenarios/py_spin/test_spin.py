# SPDX-License-Identifier: MIT
import threading

flag = False


def spin():
    while not flag:  # HERE spins
        pass  # HERE spins


def test_that_spins():
    global flag
    thread = threading.Thread(target=spin, name="spinner", daemon=True)
    thread.start()
    thread.join()
    flag = True
