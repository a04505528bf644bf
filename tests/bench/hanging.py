# SPDX-License-Identifier: MIT
"""
Python programs that hang, for tests/bench/scale. Each thread or worker that is about to wait for good says when, as
"hangs NS" of the monotonic clock: the last line is when the hang was complete.

    hanging.py threads N    N threads: two deadlock with their RLocks, the others wait for one of the two, or for an event
    hanging.py workers N    a pool of N forked workers that want a lock of the parent's, which waits for their results
"""

import multiprocessing
import os
import sys
import threading
import time

first, second, both, never = threading.RLock(), threading.RLock(), threading.Barrier(2), threading.Event()
context = multiprocessing.get_context("fork")
wanted = context.Lock()


def tell():
    os.write(1, b"hangs %d\n" % time.monotonic_ns())


def take(mine, other):
    with mine:
        both.wait()
        tell()
        with other:
            pass


def behind():
    tell()
    with first:
        pass


def idle():
    tell()
    never.wait()


def threads(count):
    if count < 3:
        plain = threading.Lock()
        plain.acquire()
        tell()
        plain.acquire()
    threading.stack_size(256 * 1024)
    threading.Thread(target=take, args=(first, second), name="forth").start()
    for i in range(count - 3):
        threading.Thread(target=idle if i % 2 else behind, name="idle" if i % 2 else "behind", daemon=True).start()
    threading.Thread(target=take, args=(second, first), name="back").start()


def work(_):
    tell()
    with wanted:
        pass


def workers(count):
    wanted.acquire()
    with context.Pool(count) as pool:
        pool.map(work, range(count), chunksize=1)


if __name__ == "__main__":
    {"threads": threads, "workers": workers}[sys.argv[1]](int(sys.argv[2]))
