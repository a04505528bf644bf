# SPDX-License-Identifier: MIT
import hashlib
import threading
import time


def work():
    end = time.monotonic() + 3
    while time.monotonic() < end:
        hashlib.sha256(b"x" * 1000000).digest()
        time.sleep(0.01)


thread = threading.Thread(target=work, name="worker")
thread.start()
thread.join()
