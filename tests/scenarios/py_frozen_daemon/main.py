# SPDX-License-Identifier: MIT
import builtins
import threading
import time

lock = threading.Lock()
has_it = threading.Event()


class Connection:
    def __del__(self, lock=lock):
        with lock:  # HERE wants
            pass


def keep(lock=lock, sleep=time.sleep):
    with lock:
        has_it.set()
        while True:
            sleep(0.01)


builtins.connection = Connection()  # is let go last of all, when daemon threads do not run any more
threading.Thread(target=keep, name="keeper", daemon=True).start()
has_it.wait()
