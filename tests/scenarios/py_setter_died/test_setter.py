# SPDX-License-Identifier: MIT
import threading


def test_flag():
    done = threading.Event()

    def set_it():
        raise SystemExit  # the flag stays as it is

    setter = threading.Thread(target=set_it, name="setter")
    setter.start()
    setter.join()
    while not done.is_set():  # HERE spins
        pass  # HERE spins
