# SPDX-License-Identifier: MIT
"""Threads that wait in each of Python's ways, and what must be said of them: lines
W native_id, kind, name, owner's native_id (0: nobody is known), line of the owner's `with` (0: none), tab-separated,
then READY. Waits for the end of its standard input."""
import os
import queue
import sys
import threading
import time

from settle import settle

lock_a = threading.Lock()
rlock = threading.RLock()
locks = [threading.Lock(), threading.Lock()]
by_name = {"x": threading.Lock()}
handed = threading.Lock()
handed.acquire()
expected = []


class Thing:
    in_class = threading.Lock()

    def __init__(self):
        self._lock = threading.Lock()
        self.condition = threading.Condition()
        self.queue = queue.Queue()
        self.guard = threading.Condition(threading.Lock())
        self.event = threading.Event()
        self.semaphore = threading.Semaphore(0)

    def hold(self):
        with self._lock:
            try:
                forever()
            finally:
                pass

    def want(self):
        with lock_a:
            with self._lock:
                pass


thing = Thing()


def forever():
    time.sleep(1000)


def start(function, kind=None, name=None, owner=None, line=0):
    thread = threading.Thread(target=function, name="t-" + function.__name__)
    thread.start()
    settle(thread)
    if kind:
        expected.append("W %d\t%s\t%s\t%d\t%d" % (thread.native_id, kind, name, owner.native_id if owner else 0, line))
    return thread


def line_of(function, text):
    with open(__file__, encoding="utf-8") as f:
        lines = f.read().split("\n")
    first = function.__code__.co_firstlineno
    return next(i for i, line in enumerate(lines[first:], first + 1) if text in line)


def hold_rlock():
    with open(os.devnull), rlock:
        forever()


def want_rlock():
    rlock.acquire()


def hold_element():
    for _ in range(2):
        with locks[1]:
            forever()


def want_element():
    with locks[1]:
        pass


def hold_value():
    with by_name["x"]:
        forever()


def want_value():
    with by_name["x"]:
        pass


def hold_class():
    with Thing.in_class:
        forever()


def want_class(self=thing):
    with self.in_class:
        pass


def want_a():
    lock_a.acquire(timeout=1000)


def get():
    thing.queue.get()


def put():
    mine = queue.Queue(1)
    mine.put(1)
    mine.put(2)


def event():
    [thing.event.wait() for _ in range(1)]


def condition():
    with thing.condition:
        thing.condition.wait()


def condition_for():
    with thing.condition:
        thing.condition.wait_for(lambda: False)


def semaphore():
    thing.semaphore.acquire()


def barrier():
    meeting = threading.Barrier(2)
    meeting.wait()


def simple_queue():
    simple = queue.SimpleQueue()
    simple.get()


def closure():
    mine = threading.Lock()

    def inner():
        mine.acquire()
    mine.acquire()
    inner()


def hold_condition():
    with thing.guard:
        forever()


def want_condition():
    with thing.guard:
        pass


def want_handed():
    with handed:
        pass


holder = start(thing.hold)
wanter = start(thing.want, "lock", "self._lock", holder, line_of(Thing.hold, "with self._lock"))
start(want_a, "lock", "lock_a", wanter, line_of(Thing.want, "with lock_a"))
holder = start(hold_rlock)
start(want_rlock, "rlock", "rlock", holder, line_of(hold_rlock, "rlock:"))
holder = start(hold_element)
start(want_element, "lock", "locks[1]", holder, line_of(hold_element, "with locks"))
holder = start(hold_value)
start(want_value, "lock", "by_name['x']", holder, line_of(hold_value, "with by_name"))
holder = start(hold_class)
start(want_class, "lock", "self.in_class", holder, line_of(hold_class, "with Thing"))
holder = start(hold_condition)
start(want_condition, "lock", "thing.guard._lock", holder, line_of(hold_condition, "with thing"))
getter = start(get, "queue", "thing.queue")
start(put, "queue", "mine")
start(event, "event", "thing.event")
start(condition, "python-condition", "thing.condition")
start(condition_for, "python-condition", "thing.condition")
start(semaphore, "python-semaphore", "thing.semaphore")
start(barrier, "barrier", "meeting")
start(simple_queue, "queue", "simple")
start(closure, "lock", "mine")
start(want_handed, "lock", "handed")


def join():
    getter.join()


start(join, "thread-join", "getter", getter)
expected.append("N %d\tt-join\t0" % threading.enumerate()[-1].native_id)
sys.stdout.write("\n".join(expected) + "\nREADY\n")
sys.stdout.flush()
os.read(0, 1)
os._exit(0)
