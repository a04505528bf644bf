# SPDX-License-Identifier: MIT
import os
import threading

cache_lock = threading.RLock()
is_held, is_over = threading.Event(), threading.Event()


def refresh():
    with cache_lock:
        is_held.set()
        is_over.wait()  # HERE refreshes


threading.Thread(target=refresh, name="refresher").start()
is_held.wait()
child = os.fork()
if child == 0:
    with cache_lock:  # HERE child-wants
        os._exit(0)
os.waitpid(child, 0)
is_over.set()
