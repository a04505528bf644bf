# SPDX-License-Identifier: MIT
"""A program with a trace function of its own, in each thread: it must see what it sees undisturbed."""
import sys
import threading

seen = {}


def trace(frame, event, _):
    if frame.f_code.co_name == "work":
        key = threading.current_thread().name, event, frame.f_lineno - frame.f_code.co_firstlineno
        seen[key] = seen.get(key, 0) + 1
    return trace


def work():
    total = 0
    for number in range(5):
        total += number
    return total


before = sys.gettrace()
threading.settrace(trace)
sys.settrace(trace)
threads = [threading.Thread(target=work, name="thread %d" % n) for n in range(2)]
for thread in threads:
    thread.start()
work()
for thread in threads:
    thread.join()
is_own = sys.gettrace() is trace
sys.settrace(before)
print(before, is_own, sorted(seen.items()))
