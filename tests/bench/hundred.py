# SPDX-License-Identifier: MIT
"""100 threads of 20 frames each, two of which have deadlocked; one more counts how long it stands still. Each line on its
standard input makes it print the longest gap, in microseconds, since the line before."""
import faulthandler
import signal
import sys
import threading
import time

first, second = threading.Lock(), threading.Lock()
both = threading.Barrier(2)
longest = 0


def deep(depth, leaf):
    if depth == 0:
        return leaf()
    return deep(depth - 1, leaf)


def forth():
    with first:
        both.wait()
        with second:
            pass


def back():
    with second:
        both.wait()
        with first:
            pass


def count():
    global longest
    last = time.perf_counter_ns()
    while True:
        now = time.perf_counter_ns()
        if now - last > longest:
            longest = now - last
        last = now


# Thread.run and two of its callers are frames as well, and so is the leaf.
leaves = [forth, back] + [threading.Event().wait] * 97
for leaf in leaves:
    threading.Thread(target=deep, args=(15, leaf), daemon=True).start()
faulthandler.register(signal.SIGUSR1, all_threads=True, file=open(sys.argv[1], "w"))
if "count" in sys.argv:
    threading.Thread(target=count, daemon=True).start()
print("READY", flush=True)
for line in sys.stdin:
    print(longest // 1000, flush=True)
    longest = 0
