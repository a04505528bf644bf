# SPDX-License-Identifier: MIT
"""
What coverage 6.5 does between tests: a trace function iterates over a set to which another thread adds. No line of a trace
function is seen by anybody, and the loop calls nothing. What is done to the lock before lets the other thread wake up.
"""
import sys
import threading

numbers = set(range(200))
total = 0
lock = threading.Lock()
is_over = threading.Event()


def add():
    number = 1000
    while not is_over.wait(0.0001):
        numbers.add(number)
        number += 1


def count(*_):
    global total
    lock.acquire()
    lock.release()
    for number in numbers:
        total += number


def traced():
    pass


thread = threading.Thread(target=add, daemon=True)
thread.start()
sys.settrace(count)
for _ in range(100):
    traced()
sys.settrace(None)
is_over.set()
thread.join()
