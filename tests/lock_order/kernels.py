# SPDX-License-Identifier: MIT
"""Orders of Python's locks and of its GIL, one kernel for each name; what could have been a deadlock is the question, and none is one
in its run: python3 kernels.py NAME EXTENSION.so"""
import ctypes
import concurrent.futures
import gc
import queue
import sys
import threading
import time

a, b, c, gate = (threading.Lock() for _ in range(4))
ra, rb = threading.RLock(), threading.RLock()


def in_turn(*functions):
    """Each in a thread of its own, all of which are there at once; each begins when the one before has ended. How it learns that is
    nothing that a tool could take for an order of the program's."""
    ended = []

    def run(i):
        while len(ended) < i or len(threads) < len(functions):
            time.sleep(.0005)
        functions[i]()
        ended.append(i)
    threads = []
    at_once(*(lambda i=i: (threads.append(i), run(i)) for i in range(len(functions))))


def at_once(*functions):
    threads = [threading.Thread(target=function) for function in functions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def one_after_the_other(*functions):
    for function in functions:
        thread = threading.Thread(target=function)
        thread.start()
        thread.join()


def nested(*locks):
    def take():
        with locks[0]:
            if locks[1:]:
                nested(*locks[1:])()
    return take


def by_calls(outer, inner):
    def take():
        outer.acquire()
        inner.acquire(True)
        inner.release()
        outer.release()
    return take


def trying(outer, inner, **arguments):
    def take():
        with outer:
            if inner.acquire(**arguments):
                inner.release()
    return take


def hand_over_hand():
    a.acquire()
    b.acquire()
    a.release()
    c.acquire()
    b.release()
    c.release()


def recursively():
    with ra, ra, rb:
        pass


def signals():
    """A lock that one thread takes and another one releases is a signal, whatever is held meanwhile."""
    done = threading.Lock()
    done.acquire()

    def give():
        with a:
            done.release()

    def get():
        done.acquire()
        with a:
            pass
        done.release()
    in_turn(give, get, nested(a, done))


def library():
    """Queues, conditions and events between threads that hold locks."""
    items, event, condition = queue.Queue(), threading.Event(), threading.Condition()

    def put():
        with a:
            items.put(1)
            event.set()
        with condition:
            with b:
                condition.notify_all()

    def get():
        items.get()
        event.wait()
        with a:
            items.put(2)
        with condition:
            condition.wait(.01)
            with b:
                pass
    in_turn(put, get)


def reused_address():
    """Two locks in turn at one address."""
    addresses = []

    def first():
        lock = threading.Lock()
        addresses.append(id(lock))
        nested(lock, a)()

    def second():
        gc.collect()
        others = []
        while not others or id(others[-1]) != addresses[0]:
            assert len(others) < 100000
            others.append(threading.Lock())
        nested(a, others[-1])()
    in_turn(first, second)


def told(event, is_late):
    """One order, then the event that the other one waits for; which comes late, or waits first."""
    def tell():
        nested(a, b)()
        event.set()

    def hear():
        event.wait()
        nested(b, a)()
    (in_turn if is_late else at_once)(tell, hear)


def told_too_early():
    """Told of something else: it may go on while the other has still to do it."""
    event = threading.Event()
    in_turn(lambda: (event.set(), nested(a, b)()), lambda: (event.wait(), nested(b, a)()))


def condition(rounds=20):
    """Strictly in turns, many times."""
    turn, changed = [0], threading.Condition()

    def take(mine, *locks):
        for _ in range(rounds):
            with changed:
                while turn[0] % 2 != mine:
                    changed.wait()
            nested(*locks)()
            with changed:
                turn[0] += 1
                changed.notify_all()
    at_once(lambda: take(0, a, b), lambda: take(1, b, a))


def turns(give, take):
    """The same with two queues or semaphores."""
    def here():
        for _ in range(20):
            nested(a, b)()
            give[0]()
            take[1]()

    def there():
        for _ in range(20):
            take[0]()
            nested(b, a)()
            give[1]()
    at_once(here, there)


def by_queues(make):
    queues = make(), make()
    turns([lambda q=q: q.put(None) for q in queues], [q.get for q in queues])


def by_semaphores():
    semaphores = threading.Semaphore(0), threading.Semaphore(0)
    turns([s.release for s in semaphores], [s.acquire for s in semaphores])


def executor():
    """A thread that was there before does what it is given, and gives the result back."""
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        pool.submit(int).result()
        nested(a, b)()
        pool.submit(nested(b, a)).result()
        nested(a, b)()


def extension(*kinds):
    """kinds: how the extension is called, with the GIL held (PyDLL) or without (CDLL)."""
    call = ctypes.CFUNCTYPE(None)(lambda: None)
    calling, counting = (kind(sys.argv[2]) for kind in kinds)
    return (lambda: calling.call_with_ledger(call)), (lambda: counting.count_in_ledger())


KERNELS = {
    "opposite": lambda: in_turn(nested(a, b), nested(b, a)),
    "by_calls": lambda: in_turn(by_calls(a, b), by_calls(b, a)),
    "three": lambda: in_turn(nested(a, b), nested(b, c), nested(c, a)),
    "recursive": lambda: in_turn(recursively, nested(rb, ra)),
    "lock_and_rlock": lambda: in_turn(nested(a, ra), nested(ra, a)),
    "gil": lambda: in_turn(*extension(ctypes.CDLL, ctypes.PyDLL)),
    "gated": lambda: in_turn(nested(gate, a, b), nested(gate, b, a)),
    "one_after_the_other": lambda: one_after_the_other(nested(a, b), nested(b, a)),
    "one_thread": lambda: in_turn(lambda: (nested(a, b)(), nested(b, a)())),
    "tried": lambda: in_turn(nested(a, b), trying(b, a, blocking=False)),
    "with_a_limit": lambda: in_turn(nested(a, b), trying(b, a, timeout=5)),
    "hand_over_hand": lambda: in_turn(hand_over_hand, hand_over_hand),
    "signals": signals,
    "library": library,
    "told_too_early": told_too_early,
    "event": lambda: told(threading.Event(), False),
    "event_set_before": lambda: told(threading.Event(), True),
    "condition": condition,
    "queue": lambda: by_queues(queue.Queue),
    "bounded_queue": lambda: by_queues(lambda: queue.Queue(1)),
    "simple_queue": lambda: by_queues(queue.SimpleQueue),
    "semaphores": by_semaphores,
    "executor": executor,
    "reused_address": reused_address,
    "gil_released": lambda: in_turn(*extension(ctypes.CDLL, ctypes.CDLL)),
    "gil_one_after_the_other": lambda: one_after_the_other(*extension(ctypes.CDLL, ctypes.PyDLL)),
}
KERNELS[sys.argv[1]]()
