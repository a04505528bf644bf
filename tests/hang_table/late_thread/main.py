# SPDX-License-Identifier: MIT
import threading

begun = threading.Event()
never = threading.Event()


def late():
    never.wait()  # HERE waits


def early():
    threading.main_thread().join()  # returns when the main thread is in threading._shutdown
    threading.Thread(target=late, name="late").start()  # HERE starts


threading.Thread(target=early, name="early").start()
