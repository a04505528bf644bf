# SPDX-License-Identifier: MIT
"""
Creates and ends frames, threads and interpreters as fast as it can, beside threads that stand still. Argument: a folder.
Writes the file truth there (where the ones that stand still are, by Python's own word), then a byte to its standard output,
and goes on until its standard input ends.

Whatever moves can be checked too, by its names and lines: churn_3_5_s of churn_3.py is called by one of churn_3_4_* and by
nobody else, and each of these calls one of the next depth that a die chooses: directly (p), by sorted() (s), as a generator (g)
or as a coroutine (c). It begins in line 10 * (3 * 5 + 1) + 1, where p is 0, s is 1, g and c are 2, and calls two lines further on.
"""

import _thread
import os
import random
import sys
import threading
import time

try:
    import _interpreters
except ImportError:
    try:
        import _xxsubinterpreters as _interpreters
    except ImportError:
        _interpreters = None

DEPTH = 24
lock = threading.Lock()


def leaf(x):
    choice = random.randrange(6)
    if choice == 0:
        time.sleep(0)
    elif choice == 1:
        with lock:
            return [x] * 10
    elif choice == 2:
        return {str(i): i for i in range(20)}
    elif choice == 3:
        try:
            raise ValueError(x)
        except ValueError:
            return None
    return x


def source(k):
    """The functions of churn_k.py, three of each depth, and the name of the first."""
    def name(depth, letter):
        return "churn_%d_%d_%s" % (k, depth, letter)

    lines = []
    for d in range(DEPTH):
        last = "g" if (d + k) % 2 else "c"
        call, inner = "leaf(x)", "c" if last == "g" else "g"
        if d + 1 < DEPTH:
            call = "(%s(x - 1) if r < 1 else sorted((x - 1,), key=%s) if r < 2 else list(%s(x - 1)%s)) if x else leaf(x)" % (
                name(d + 1, "p"), name(d + 1, "s"), name(d + 1, inner), ".__await__()" if inner == "c" else "")
        for letter in "p", "s", last:
            lines += ["%sdef %s(n):" % ("async " if letter == "c" else "", name(d, letter)), "    x, r = n or 0, roll() * 3",
                      "    %s %s" % ("yield" if letter == "g" else "return", call)]
            lines += [""] * 7
    return "\n".join(lines), name(0, "p")


def churn(folder, k):
    path = os.path.join(folder, "churn_%d.py" % k)
    text, first = source(k)
    with open(path, "w", encoding="utf-8") as f:
        f.write(text)
    namespace = {"leaf": leaf, "roll": random.random}
    exec(compile(text, path, "exec"), namespace)
    return namespace[first]


def churn_frames(first):
    while True:
        first(random.randrange(DEPTH))


def churn_threads(first):
    while True:
        threads = [threading.Thread(target=first, args=(random.randrange(DEPTH),)) for _ in range(random.randrange(1, 5))]
        for thread in threads:
            thread.start()
        _thread.start_new_thread(first, (3,))
        for thread in threads:
            thread.join()


def create_interpreter(kind):
    if sys.version_info >= (3, 13):
        return _interpreters.create(kind)
    return _interpreters.create(**({"isolated": False} if sys.version_info >= (3, 9) else {}))


def churn_interpreters():
    """Isolated ones, with a GIL of their own, only where Python survives that: not 3.12.1 nor 3.13.0."""
    while True:
        number = create_interpreter("isolated" if sys.version_info >= (3, 14) and random.random() < .5 else "legacy")
        _interpreters.run_string(number, "def inside_1(): return [i for i in range(50)]\ndef inside_0(): inside_1()\ninside_0()")
        _interpreters.destroy(number)


# ---- standing still ----------------------------------------------------------------------------------------------------

standing = {}  # tid: frame
arrived = threading.Semaphore(0)
_held = threading.Lock()
_held.acquire()


def stand():
    standing[threading.get_native_id()] = sys._getframe()
    arrived.release()
    _held.acquire()


def stand_deep(n):
    if n == 0:
        return stand()
    if n % 3 == 0:
        return sorted([n - 1], key=stand_deep)
    return [stand_deep(m) for m in
            (n - 1,)]


def stand_in_coroutine():
    async def inner():
        stand()

    async def outer():
        await inner()
    outer().send(None)


def write_truth(folder):
    lines = ["P %d" % os.getpid()]
    for tid, frame in standing.items():
        lines.append("T %d" % tid)
        while frame:
            code = frame.f_code
            lines.append("F %d %s\t%s" % (frame.f_lineno, getattr(code, "co_qualname", code.co_name), code.co_filename))
            frame = frame.f_back
    with open(os.path.join(folder, "truth"), "w", encoding="utf-8") as f:
        f.write("\n".join(lines) + "\n")


def main():
    folder = sys.argv[1]
    for target, arguments in ((stand_deep, (10,)), (stand_in_coroutine, ())):
        threading.Thread(target=target, args=arguments, daemon=True).start()
    for k in range(4):
        threading.Thread(target=churn_frames, args=(churn(folder, k),), daemon=True).start()
    for k in range(4, 7):
        threading.Thread(target=churn_threads, args=(churn(folder, k),), daemon=True).start()
    if _interpreters and "interpreters" in sys.argv[2:]:
        threading.Thread(target=churn_interpreters, daemon=True).start()

    def observe():
        for _ in range(3):
            arrived.acquire()
        time.sleep(.1)
        write_truth(folder)
        os.write(1, b"R")
        os.read(0, 1)
        os._exit(0)
    threading.Thread(target=observe, daemon=True).start()
    stand_deep(4)


main()
