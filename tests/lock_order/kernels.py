# SPDX-License-Identifier: MIT
"""Orders of Python's locks and of its GIL, one kernel for each name; what could have been a deadlock is the question, and none is one
in its run: python3 kernels.py NAME EXTENSION.so"""
import ctypes
import concurrent.futures
import gc
import os
import queue
import socket
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


def by_files(make, wrap):
    """The same with two of what has ends to read from and to write to."""
    ends = make(), make()
    files = [(wrap(read, "rb", 0), wrap(write, "wb", 0)) for read, write in ends]
    turns([lambda f=f: f[1].write(b"x") for f in files], [lambda f=f: f[0].read(1) for f in files])


def by_sockets():
    pairs = socket.socketpair(), socket.socketpair()
    turns([lambda p=p: p[0].send(b"x") for p in pairs], [lambda p=p: p[1].recv(1) for p in pairs])


def executor():
    """A thread that was there before does what it is given, and gives the result back."""
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        pool.submit(int).result()
        nested(a, b)()
        pool.submit(nested(b, a)).result()
        nested(a, b)()


def at_barrier(before, after, is_last=True):
    """One order before a barrier, the other one behind it. Who comes last does not wait."""
    def arrive():
        before()
        arrived.append(True)
        barrier.wait()

    def depart():
        while is_last and not (arrived and barrier.n_waiting):
            time.sleep(.0005)
        barrier.wait()
        after()
    arrived, barrier = [], threading.Barrier(2)
    at_once(arrive, depart)


def barrier_in_rounds(rounds=20):
    """Each round a turn: nobody is in the next one before all have left this one."""
    barrier = threading.Barrier(3)

    def take(mine, *locks):
        for i in range(rounds):
            if i % 3 == mine:
                nested(*locks)()
            barrier.wait()
    at_once(lambda: take(0, a, b), lambda: take(1, b, a), lambda: take(2, b, a))


def barrier_action():
    """Which runs when all have come, before anybody goes on."""
    def wait(*functions):
        for function in functions:
            function()
        barrier.wait()
    barrier = threading.Barrier(2, action=nested(b, a))
    at_once(lambda: wait(nested(a, b)), wait)


def beside_barrier(is_before):
    """On the same side of it nothing keeps them apart."""
    def take(*functions):
        for function in functions:
            function()

    def first():
        nested(a, b)()
        first_done.append(True)

    def second():
        while not first_done:
            time.sleep(.0005)
        nested(b, a)()
    first_done, barrier = [], threading.Barrier(2)
    at_once(*(lambda f=f: take(*((f, barrier.wait) if is_before else (barrier.wait, f))) for f in (first, second)))


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
    "pipe": lambda: by_files(os.pipe, os.fdopen),
    "socket_pair": by_sockets,
    "executor": executor,
    "barrier": lambda: at_barrier(nested(a, b), nested(b, a)),
    "barrier_waited": lambda: at_barrier(nested(a, b), nested(b, a), is_last=False),
    "barrier_in_rounds": barrier_in_rounds,
    "barrier_action": barrier_action,
    "before_barrier": lambda: beside_barrier(True),
    "behind_barrier": lambda: beside_barrier(False),
    "reused_address": reused_address,
    "gil_released": lambda: in_turn(*extension(ctypes.CDLL, ctypes.CDLL)),
    "gil_one_after_the_other": lambda: one_after_the_other(*extension(ctypes.CDLL, ctypes.PyDLL)),
}
KERNELS[sys.argv[1]]()
