# SPDX-License-Identifier: MIT
"""Threads at randomly chosen places, and where they are by Python's own word: V version, then for each thread a line
T native_id interpreter, and F line, function, file for each frame, innermost first; then READY. Waits for the end of
its standard input. Arguments: seed, number of threads."""
import asyncio
import functools
import os
import random
import sys
import sysconfig
import threading
import time

gate = threading.Lock()
gate.acquire()
arrived = threading.Semaphore(0)


def park():
    arrived.release()
    gate.acquire()


def plain(rest):
    descend(rest)


def over_lines(rest):
    descend(
        rest
    )


def lämbda(rest):
    (lambda x: descend(x))(rest)


def comprehension(rest):
    return [descend(r) for r in
            [rest]]


def generator(rest):
    def produce():
        yield 1
        try:
            yield descend(rest)
        finally:
            pass
    for _ in produce():
        pass


def from_c(rest):
    sorted([1], key=lambda _: descend(rest) or 0)


def partial(rest):
    list(map(functools.partial(descend), [rest]))


def coroutine(rest):
    async def inner():
        async with Nothing():
            return descend(rest)

    async def outer():
        await inner()
    asyncio.new_event_loop().run_until_complete(outer())


def asynchronous_generator(rest):
    async def produce():
        yield descend(rest)

    async def consume():
        async for _ in produce():
            pass
    try:
        consume().send(None)
    except StopIteration:
        pass


class Nothing:
    async def __aenter__(self):
        return self

    async def __aexit__(self, *_):
        pass

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    @property
    def attribute(self):
        return descend(self.rest)

    def __getitem__(self, rest):
        return descend(rest)

    @staticmethod
    def method(rest):
        with Nothing() as a, \
                Nothing() as b:
            if a is not b:
                descend(rest)


def attribute(rest):
    it = Nothing()
    it.rest = rest
    it.attribute


def item(rest):
    Nothing()[rest]


def handler(rest):
    try:
        raise ValueError
    except ValueError as error:
        del error
        descend(rest)


def conditional(rest):
    x = 1 if not rest else \
        descend(rest)
    while x:
        break
    else:
        return


def decorated(rest):
    @functools.wraps(plain)
    def wrapper(*a, **k):
        return plain(*a, **k)
    wrapper(rest)


def recursion(rest, n=30):
    if n:
        return recursion(rest, n - 1)
    descend(rest)


def far_away(rest):
    x = 0























































































































































    x += 1; descend(rest)


def many_instructions(rest):
    a = [0] * 4
    a[0] = a[1] + a[2] * a[3] - (a[0] + a[1]) * (a[2] - a[3]) + a[0] * a[1] * a[2] * a[3] + sum((a[0], a[1], a[2]))
    a[1] = a[1] + a[2] * a[3] - (a[0] + a[1]) * (a[2] - a[3]) + a[0] * a[1] * a[2] * a[3] + sum((a[0], a[1], a[2]))
    a[2] = a[1] + a[2] * a[3] - (a[0] + a[1]) * (a[2] - a[3]) + a[0] * a[1] * a[2] * a[3] + sum((a[0], a[1], a[2]))
    a[3] = a[1] + a[2] * a[3] - (a[0] + a[1]) * (a[2] - a[3]) + a[0] * a[1] * a[2] * a[3] + sum((a[0], a[1], a[2]))
    for i in range(3): a[i] = (a[1] + a[2] * a[3] - (a[0] + a[1]) * (a[2] - a[3]) + a[0] * a[1] * a[2] * a[3]
                               + (descend(rest) or 0 if i == 2 else 0))


exec(compile("def from_text(rest):\n\n descend(rest)\n", "/nirgends/текст-\U0001f40d.py", "exec"))

SHAPES = [plain, over_lines, lämbda, comprehension, generator, from_c, partial, coroutine, asynchronous_generator,
          attribute, item, Nothing.method, handler, conditional, decorated, recursion, far_away, many_instructions,
          from_text]  # noqa: F821


def descend(rest):
    if not rest:
        return park()
    shape = rest[0]
    if shape is coroutine and coroutine in rest[1:]:  # an event loop runs in no other
        shape = plain
    shape(rest[1:])


SUB = """if 1:
    import os, sys, threading, time
    def sub_park(n):
        if n:
            return sub_park(n - 1)
        time.sleep(1000)
    t = threading.Thread(target=sub_park, args=(3,), daemon=%d)
    t.start()
    while t.ident not in sys._current_frames() or sys._current_frames()[t.ident].f_code.co_name != "sub_park":
        time.sleep(.01)
    time.sleep(.2)
    lines, f = ["T %%d %d" %% t.native_id], sys._current_frames()[t.ident]
    while f:
        lines.append("F %%d %%s\\t%%s" %% (f.f_lineno, getattr(f.f_code, "co_qualname", f.f_code.co_name), f.f_code.co_filename))
        f = f.f_back
    os.write(%d, ("\\n".join(lines) + "\\n").encode())
    time.sleep(1000)
"""


def start_subinterpreter():
    """None where this version has no way in, or threads of a subinterpreter are not to be had."""
    try:
        import _interpreters as module
    except ImportError:
        try:
            import _xxsubinterpreters as module
        except ImportError:
            return None
    if sys.version_info >= (3, 13):
        number = module.create("legacy")
    elif sys.version_info >= (3, 9):
        number = module.create(isolated=False)
    else:
        number = module.create()
    read, write = os.pipe()
    code = SUB % (sys.version_info < (3, 9), int(number), write)

    def run():
        try:
            module.run_string(number, code)
        finally:
            os._exit(1)
    threading.Thread(target=run, daemon=True).start()
    text = b""
    while b"\nF" not in text or not text.endswith(b"\n"):
        text += os.read(read, 65536)
    return text.decode()


def tell(thread):
    frame = sys._current_frames()[thread.ident]
    lines = ["T %d 0" % thread.native_id]
    while frame:
        code = frame.f_code
        lines.append("F %d %s\t%s" % (frame.f_lineno, getattr(code, "co_qualname", code.co_name), code.co_filename))
        frame = frame.f_back
    return "\n".join(lines)


def main():
    dice = random.Random(int(sys.argv[1]))
    threads = [threading.Thread(target=descend, args=(dice.choices(SHAPES, k=dice.randrange(1, 12)),), daemon=True)
               for _ in range(int(sys.argv[2]))]
    for thread in threads:
        thread.start()
    for _ in threads:
        arrived.acquire()
    for thread in threads:  # from `arrived` into the lock
        while sys._current_frames()[thread.ident].f_lineno != park.__code__.co_firstlineno + 2:
            time.sleep(.01)
    kind = " free-threaded" if sysconfig.get_config_var("Py_GIL_DISABLED") else ""
    out = ["V %d.%d.%d" % sys.version_info[:3] + kind] + [tell(t) for t in threads]
    sub = start_subinterpreter()
    if sub:
        out.append(sub.rstrip())
    sys.stdout.buffer.write(("\n".join(out) + "\nREADY\n").encode())
    sys.stdout.flush()
    os.read(0, 1)
    os._exit(0)


sys.stdout.reconfigure(encoding="utf-8")
main()
