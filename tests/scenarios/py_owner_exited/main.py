# SPDX-License-Identifier: MIT
import threading

lock = threading.Lock()


def forget():
    lock.acquire()  # HERE taken


thread = threading.Thread(target=forget, name="forgetful")
thread.start()
thread.join()
with lock:  # HERE wants-it
    pass
