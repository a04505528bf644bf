# SPDX-License-Identifier: MIT
import threading

pool_lock = threading.Lock()
local = threading.local()


class Connection:
    def __del__(self):
        with pool_lock:  # HERE gives-back
            pass


def work():
    local.connection = Connection()


with pool_lock:
    worker = threading.Thread(target=work, name="worker")
    worker.start()
    worker.join()  # HERE joins
