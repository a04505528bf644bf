# SPDX-License-Identifier: MIT
"""Orders of Python's locks and of its GIL, one kernel for each name; what could have been a deadlock is the question, and none is one
in its run: python3 kernels.py NAME EXTENSION.so"""
import ctypes
import gc
import queue
import sys
import threading

a, b, c, gate = (threading.Lock() for _ in range(4))
ra, rb = threading.RLock(), threading.RLock()


def in_turn(*functions):
    """Each in a thread of its own, all of which are there at once; each begins when the one before has ended."""
    events = [threading.Event() for _ in range(len(functions) + 1)]

    def run(i):
        events[i].wait()
        functions[i]()
        events[i + 1].set()
    threads = [threading.Thread(target=run, args=(i,)) for i in range(len(functions))]
    for thread in threads:
        thread.start()
    events[0].set()
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
    "reused_address": reused_address,
    "gil_released": lambda: in_turn(*extension(ctypes.CDLL, ctypes.CDLL)),
    "gil_one_after_the_other": lambda: one_after_the_other(*extension(ctypes.CDLL, ctypes.PyDLL)),
}
KERNELS[sys.argv[1]]()
