# SPDX-License-Identifier: MIT
"""What the generated places call, and the places where threads stay: each in a Python function of its own that blocks in C."""

import asyncio
import contextlib
import functools
import os
import queue
import random
import select
import socket
import threading
import time

try:
    import ctypes
except ImportError:  # an isolated interpreter may refuse it
    ctypes = None


class Base:
    def call(self, method, rest):
        return method(rest)


class Thing(contextlib.ContextDecorator):
    def __init__(self, _=None):
        pass

    def __enter__(self):
        return self

    def __exit__(self, *_):
        return False


class Asynchronous:
    def __init__(self, _):
        pass

    async def __aenter__(self):
        return self

    async def __aexit__(self, *_):
        return False


class Lib:
    """The names that generate.py uses."""
    yes, no = 1, 0
    two = (1, 2)
    table = {}
    Thing = Thing
    Base = Base
    Asynchronous = Asynchronous
    reduce = staticmethod(functools.reduce)
    partial = functools.partial

    def __init__(self, go, native, can_call_back):
        self.go = go
        self.native_library = ctypes.PyDLL(native) if ctypes else None
        self.callback_library = ctypes.CDLL(native) if ctypes and can_call_back else None
        self.kept = []

    @staticmethod
    def f(*_, **__):
        return 0

    @staticmethod
    def identity(x):
        return x

    @staticmethod
    def decorator(_):
        return lambda function: function

    @staticmethod
    def wrapped(function):
        @functools.wraps(function)
        def wrapper(*a, **k):
            return function(*a, **k)
        return wrapper

    @staticmethod
    def call_method(cls, rest):
        return cls().call(cls.method, rest)

    @staticmethod
    def enter(*things):
        with things[0]:
            pass

    @staticmethod
    def with_exit(cls):
        cls.__exit__ = Thing.__exit__
        return cls

    @staticmethod
    def fail():
        raise ValueError

    @staticmethod
    def drive(coroutine):
        coroutine.send(None)

    def loop(self, coroutine):
        if asyncio._get_running_loop() is not None:
            return self.drive(coroutine)
        return asyncio.new_event_loop().run_until_complete(coroutine)

    def native(self, function):
        """Through a C function that has the GIL all along; the frame below is named after it."""
        if not self.native_library:
            return function()
        return random.choice(NATIVE)(self.native_library, function)

    def callback(self, function):
        """Through a C function without the GIL, and a callback that takes it."""
        if not self.callback_library:
            return function()
        return random.choice(CALLBACK)(self.callback_library, function)

    def foreign_thread(self, function):
        made = ctypes.CFUNCTYPE(None)(function)
        self.kept.append(made)
        self.callback_library.foreign_thread(made)


def _make(kind, number):
    name = "%s_%d" % (kind, number)
    namespace = {"ctypes": ctypes}
    if kind == "native":
        text = ("def call_%s(library, function):\n"
                "    library.%s.argtypes = [ctypes.py_object]\n    library.%s.restype = ctypes.py_object\n"
                "    return library.%s(\n        function)\n") % (name, name, name, name)
    else:
        text = ("def call_%s(library, function):\n"
                "    made = ctypes.CFUNCTYPE(None)(function)\n    return library.%s(made)\n") % (name, name)
    exec(compile(text, "/native/%s.py" % name, "exec"), namespace)
    return namespace["call_" + name]


NATIVE = [_make("native", n) for n in range(5)]
CALLBACK = [_make("callback", n) for n in range(5)]


# ---- staying: arrive() is called by the function that then blocks -------------------------------------------------------

_held = threading.Lock()
_held.acquire()


def in_lock(arrive):
    arrive()
    _held.acquire()


def in_timed_lock(arrive):
    arrive()
    _held.acquire(timeout=100000)


def in_with_lock(arrive):
    arrive()
    with _held:
        pass


def in_sleep(arrive):
    arrive()
    time.sleep(100000)


def in_read(arrive):
    end = os.pipe()[0]
    arrive()
    os.read(end, 1)


def in_select(arrive):
    arrive()
    select.select([], [], [], 100000)


def in_receive(arrive):
    ends = socket.socketpair()
    arrive()
    ends[0].recv(1)


def in_simple_queue(arrive):
    q = queue.SimpleQueue()
    arrive()
    q.get()


SHALLOW = [in_lock, in_timed_lock, in_with_lock, in_sleep, in_read, in_select, in_receive, in_simple_queue]


def in_event(arrive):
    arrive()
    threading.Event().wait()


def in_timed_event(arrive):
    arrive()
    threading.Event().wait(100000)


def in_condition(arrive):
    c = threading.Condition()
    with c:
        arrive()
        c.wait()


def in_queue(arrive):
    arrive()
    queue.Queue().get()


def in_full_queue(arrive):
    q = queue.Queue(1)
    q.put(1)
    arrive()
    q.put(2)


def in_semaphore(arrive):
    arrive()
    threading.Semaphore(0).acquire()


def in_barrier(arrive):
    arrive()
    threading.Barrier(2).wait()


def in_c_callback(arrive):
    arrive()
    sorted([1], key=_held.acquire)


def in_event_loop(arrive):
    if asyncio._get_running_loop() is not None:
        return in_sleep(arrive)

    async def forever():
        arrive()
        await asyncio.sleep(100000)
    asyncio.new_event_loop().run_until_complete(forever())


DEEP = [in_event, in_timed_event, in_condition, in_queue, in_full_queue, in_semaphore, in_barrier, in_event_loop, in_c_callback]


def recursion(n, function):
    """Deep, also through C on the way."""
    if n <= 0:
        return function()
    if n % 97 == 0:
        return functools.reduce(lambda a, b: recursion(n - 1, function), (1, 2))
    return recursion(n - 1,
                     function)
