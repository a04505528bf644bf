# SPDX-License-Identifier: MIT
import os
import threading

lock = threading.Lock()
has_it = threading.Event()
may_go = threading.Event()


def keeper():
    with lock:
        has_it.set()
        may_go.wait()


threading.Thread(target=keeper, name="keeper").start()
has_it.wait()
child = os.fork()
if child == 0:
    with lock:  # HERE child-wants
        os._exit(0)
os.waitpid(child, 0)
may_go.set()
