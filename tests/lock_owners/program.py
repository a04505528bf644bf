# SPDX-License-Identifier: MIT
"""Takes locks in each way that there is, has a thread wait for each, and says what is true: a line of JSON for each waiter
with the process, its native id, the lock's name, its owner's native id and the line at which the owner took it (0: nobody
can know), then READY. Waits to be killed."""
import json
import os
import sys
import threading
import time

MANY = 5000  # more than can be remembered


class Case:
    """A lock, who has it and since which line, as its owner says."""

    def __init__(self, lock=None):
        self.lock = lock or threading.Lock()
        self.owner = self.line = 0

    def mine(self, lines_ago=0):
        self.owner, self.line = threading.get_native_id(), sys._getframe(1).f_lineno - lines_ago
        ready.release()


ready = threading.Semaphore(0)
waiters = []


def start(function, *arguments, until_ready=True):
    thread = threading.Thread(target=function, args=arguments, daemon=True)
    thread.start()
    if until_ready:
        ready.acquire()
    return thread


def rest():
    while True:
        time.sleep(1000)


def want(name, case):
    def wait():
        waiters.append((threading.get_native_id(), name, case))
        ready.release()
        case.lock.acquire()
    start(wait)


def plainly(case):
    case.lock.acquire(), case.mine()
    rest()


def with_a_limit(case):
    case.lock.acquire(timeout=100), case.mine()
    rest()


def by_keywords(case):
    case.lock.acquire(blocking=True,
                      timeout=100), case.mine(1)
    rest()


def without_waiting(case):
    case.lock.acquire(False), case.mine()
    rest()


def by_its_old_name(case):
    case.lock.acquire_lock(), case.mine()
    rest()


def by_with(case):
    with case.lock:
        pass
    with case.lock:
        case.mine(1)
        rest()


def by_a_bound_method(case):
    take = case.lock.acquire
    take(), case.mine()
    rest()


def through_a_condition(case):
    threading.Condition(case.lock).acquire(), case.mine()
    rest()


def in_a_generator(case):
    def inner():
        yield case.lock.acquire(), case.mine()
    next(inner())
    rest()


def often(case):
    for _ in range(1000):
        case.lock.acquire(), case.lock.release()
    case.lock.acquire(), case.mine()
    rest()


def in_code_that_goes_away(case):
    exec(compile("case.lock.acquire(), case.mine()", "gone.py", "exec"), {"case": case})
    case.line = 0  # the code is gone
    rest()


def and_ends(case):
    case.lock.acquire(), case.mine()


def each_way():
    ways = [plainly, with_a_limit, by_keywords, without_waiting, by_its_old_name, by_with, by_a_bound_method,
            through_a_condition, in_a_generator, often, in_code_that_goes_away]
    for way in ways:
        case = Case()
        start(way, case)
        want(way.__name__, case)


def from_hand_to_hand():
    case = Case()
    case.lock.acquire()

    def release():
        case.lock.release()
        ready.release()
        rest()
    start(release)
    start(plainly, case)
    want("from_hand_to_hand", case)


def made_anew():
    case = Case()
    case.lock.acquire()
    if hasattr(case.lock, "_at_fork_reinit"):
        case.lock._at_fork_reinit()
    else:
        case.lock.release()
    start(plainly, case)
    want("made_anew", case)


def owner_ended():
    case = Case()
    start(and_ends, case).join()
    want("owner_ended", case)


# In an interpreter of its own, whose locks are of a type of its own.
INSIDE = """import json, os, threading
lock = threading.Lock()
lock.acquire()
me = threading.get_native_id()
print(json.dumps({"pid": os.getpid(), "tid": me, "name": "inside", "owner": me, "line": 3, "file": "inside.py"}), flush=True)
os.write(%d, b"x")
lock.acquire()
"""


def in_another_interpreter():
    try:
        import _interpreters as interpreters
    except ImportError:
        import _xxsubinterpreters as interpreters
    said, saying = os.pipe()
    code = "exec(compile(%r, 'inside.py', 'exec'), {})" % (INSIDE % saying)
    start(interpreters.run_string, interpreters.create(), code, until_ready=False)
    os.read(said, 1)


def tell():
    time.sleep(.3)  # the last waiter is about to wait
    for tid, name, case in waiters:
        print(json.dumps({"pid": os.getpid(), "tid": tid, "name": name, "owner": case.owner, "line": case.line}))
    sys.stdout.flush()


def in_a_child(case):
    """A child has the locks as they were; who holds one may not be there."""
    waiters.clear()
    want("held_in_the_parent", case)
    own = Case()
    start(plainly, own)
    want("in_a_child", own)
    tell()
    print("READY", flush=True)
    rest()


def main():
    each_way()
    from_hand_to_hand()
    made_anew()
    owner_ended()
    held = Case()
    start(plainly, held)
    child = os.fork()
    if child == 0:
        in_a_child(held)
    in_another_interpreter()  # not before the fork, which discards interpreters
    if "many" in sys.argv:
        kept = [threading.Lock() for _ in range(MANY)]
        assert all(lock.acquire() for lock in kept)
    tell()
    print("READY", flush=True)
    rest()


main()
