# SPDX-License-Identifier: MIT
"""What an exit handler gives to a background thread is lost: it is begun too late to be waited for."""
import atexit
import threading
import time


def flush():
    time.sleep(60)
    print("flushed")


def last_wish():
    threading.Thread(target=flush, name="flusher", daemon=True).start()  # HERE create


atexit.register(last_wish)
