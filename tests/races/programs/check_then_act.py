# SPDX-License-Identifier: MIT
"""An object that is to be made once, when it is first asked for, is made twice."""
import threading

made = []
cache = {}


def make():
    made.append(threading.get_ident())
    return object()


def get(name):
    if name not in cache:
        cache[name] = make()
    return cache[name]


def ask():
    for number in range(50):
        get(number)


threads = [threading.Thread(target=ask) for _ in range(2)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
if len(made) > 50:
    raise RuntimeError("made twice")
