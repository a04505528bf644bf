# SPDX-License-Identifier: MIT
"""A set changes its size while another thread iterates over it: the shape of coverage's RuntimeError (its issue 2165)."""
import sys
import threading

seen = set(range(50))
failed = []


def walk():
    try:
        for _ in range(200):
            sum(1 for _ in seen)
    except RuntimeError as error:
        failed.append(error)


def change():
    for number in range(200):
        seen.add(1000 + number)
        seen.discard(1000 + number)


threads = [threading.Thread(target=target) for target in (walk, change)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
if failed:
    print("RuntimeError: %s" % failed[0], file=sys.stderr)
    sys.exit(1)
