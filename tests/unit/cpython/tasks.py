# SPDX-License-Identifier: MIT
"""Tasks of asyncio, or of trio with the argument "trio" ("idle": of a trio loop that waits), and what must be said of them: lines
K library, name, state, what it waits for ("-": nothing is known), whether it was cancelled, native_id of the loop's thread, frames innermost
first ("function:line" in this file, "function" elsewhere), tab-separated, then READY. Waits for the end of its standard
input, in the middle of a task. Without trio, READY is all."""
import asyncio
import os
import sys
import threading
import types

with open(__file__, encoding="utf-8") as source:
    LINES = source.read().split("\n")
expected = []
keep = []


def at(function, mark):
    first = function.__code__.co_firstlineno
    line = next(i for i, text in enumerate(LINES[first - 1:], first) if text.endswith("# " + mark))
    return "%s:%d" % (function.__name__, line)


def expect(library, name, state, waits, frames, thread=None, cancelled="-"):
    expected.append("K %s\t%s\t%s\t%s\t%s\t%d\t%s" % (library, name, state, waits, cancelled,
                                                      (thread or threading.main_thread()).native_id, " ".join(frames)))


def say():
    sys.stdout.write("\n".join(expected) + "\nREADY\n")
    sys.stdout.flush()


def tell():
    """Called in the task that blocks the loop."""
    say()
    os.read(0, 1)  # blocked
    os._exit(0)


async def deep(n, wait):
    if n:
        return await deep(n - 1, wait)  # deeper
    await wait()  # deepest


class Awaitable:
    def __init__(self, wait):
        self.wait = wait

    def __await__(self):
        return (yield from self.wait().__await__())  # await


async def through_awaitable(wait):
    await Awaitable(wait)  # awaitable


async def numbers(wait):
    yield 1
    await wait()  # in the generator


async def over(wait):
    async for _ in numbers(wait):  # over it
        pass


@types.coroutine
def from_generator(wait):
    for _ in [1]:
        yield from wait().__await__()  # from


async def old(wait):
    await from_generator(wait)  # old


def expect_chains(library, waits, last, thread=None):
    """The tasks of start_chains; `last`: the frames of the library."""
    for_all = {"thread": thread}
    expect(library, "deep", "waiting", waits, last + [at(deep, "deepest")] + [at(deep, "deeper")] * 3, **for_all)
    expect(library, "awaitable", "waiting", waits,
           last + [at(Awaitable.__await__, "await"), at(through_awaitable, "awaitable")], **for_all)
    expect(library, "over", "waiting", waits, last + [at(numbers, "in the generator"), at(over, "over it")], **for_all)
    expect(library, "old", "waiting", waits, last + [at(from_generator, "from"), at(old, "old")], **for_all)


def start_chains(start, wait):
    start(deep(3, wait), "deep")
    start(through_awaitable(wait), "awaitable")
    start(over(wait), "over")
    start(old(wait), "old")


# --- asyncio

def start(coroutine, name):
    task = asyncio.ensure_future(coroutine)
    task.set_name(name)
    keep.append(task)  # the loop keeps weak references only
    return task


async def forever():
    await asyncio.get_running_loop().create_future()  # forever


async def yields():
    while True:
        await asyncio.sleep(0)  # yields


async def goes_on(future):
    while True:
        try:
            await asyncio.shield(future)  # goes on
        except asyncio.CancelledError:
            pass


async def awaits(task):
    await task  # task


async def has_lock(ready, lock):
    async with lock:
        await ready.wait()  # event


async def wants(lock):
    async with lock:  # lock
        pass


async def takes(queue):
    await queue.get()  # queue


def start_named():
    """Tasks that wait for asyncio's own objects, which have the names that the tasks know them by."""
    ready, lock, queue = asyncio.Event(), asyncio.Lock(), asyncio.Queue()
    start(has_lock(ready, lock), "event")
    start(wants(lock), "lock")
    start(takes(queue), "queue")
    expect("asyncio", "event", "waiting", "event `ready`", ["wait", at(has_lock, "event")])
    expect("asyncio", "lock", "waiting", "lock `lock`", ["acquire", "__aenter__", at(wants, "lock")])
    expect("asyncio", "queue", "waiting", "queue `queue`", ["get", at(takes, "queue")])


async def gathers(first, second):
    await asyncio.gather(first, second)  # gather


async def asyncio_main(thread=None):
    other = start(forever(), "other")
    start(awaits(other), "awaits")
    start_chains(start, forever)
    expect("asyncio", "other", "waiting", "asyncio.Future", [at(forever, "forever")], thread)
    expect("asyncio", "awaits", "waiting", "other", [at(awaits, "task")], thread)
    expect_chains("asyncio", "asyncio.Future", [at(forever, "forever")], thread)
    if thread:
        for _ in range(3):
            await asyncio.sleep(0)
        arrived.set()
        await forever()
    start_named()
    start(gathers(other, keep[-1]), "gathers")
    expect("asyncio", "gathers", "waiting", "other", [at(gathers, "gather")])
    start(yields(), "yields")
    stubborn = start(goes_on(other), "stubborn")
    await asyncio.sleep(0)
    stubborn.cancel()
    expect("asyncio", "stubborn", "waiting", "asyncio.Future", [at(goes_on, "goes on")],
           cancelled="asked" if sys.version_info >= (3, 11) else "-")
    expect("asyncio", "yields", "ready", "-", ["__sleep0", "sleep", at(yields, "yields")])
    if sys.version_info >= (3, 12):
        eager = asyncio.Task(forever(), name="eager", eager_start=True, loop=asyncio.get_running_loop())
        expect("asyncio", "eager", "waiting", "asyncio.Future", [at(forever, "forever")])
        keep.append(eager)
    in_python = asyncio.tasks._PyTask(forever(), loop=asyncio.get_running_loop(), name="in Python")
    expect("asyncio", "in Python", "waiting", "asyncio.Future", [at(forever, "forever")])
    keep.append(in_python)
    for _ in range(3):
        await asyncio.sleep(0)
    asyncio.current_task().set_name("main")
    start(forever(), "new")
    expect("asyncio", "new", "new", "-", ["forever:%d" % forever.__code__.co_firstlineno])
    expect("asyncio", "main", "running", "-", [at(tell, "blocked"), at(asyncio_main, "tells")])
    tell()  # tells


def in_thread():
    asyncio.run(asyncio_main(threading.current_thread()))


# --- trio

async def trio_forever():
    await trio.sleep_forever()  # trio's


async def trio_yields():
    while True:
        await trio.lowlevel.cancel_shielded_checkpoint()  # trio yields


async def cancelled_outside():
    with trio.CancelScope() as scope:
        scope.cancel()
        with trio.CancelScope(shield=True):
            await trio.sleep_forever()  # shielded


def expect_shielded():
    expect("trio", "shielded", "waiting", "-", ["*", "sleep_forever", at(cancelled_outside, "shielded")], cancelled="shielded")


async def trio_idle():
    """Nobody has a turn: what the loop waits for is not in a task."""
    async with trio.open_nursery() as nursery:
        nursery.start_soon(cancelled_outside, name="shielded")
        expect_shielded()
        threading.Timer(.3, say).start()
        await trio.sleep_forever()


async def trio_main():
    async with trio.open_nursery() as nursery:
        start_chains(lambda coroutine, name: nursery.start_soon(lambda: coroutine, name=name), trio_forever)
        nursery.start_soon(trio_yields, name="yields")
        nursery.start_soon(cancelled_outside, name="shielded")
        await trio.sleep(.1)
        mine = trio.lowlevel.current_task()
        mine.name = "main"
        last = ["*", "sleep_forever", at(trio_forever, "trio's")]
        expect_chains("trio", "-", last)
        expect_shielded()
        expect("trio", "yields", "ready", "-", ["*", "cancel_shielded_checkpoint", at(trio_yields, "trio yields")])
        expect("trio", "main", "running", "-", [at(tell, "blocked"), at(trio_main, "trio tells")])
        tell()  # trio tells


if sys.argv[1:]:
    try:
        import trio
    except Exception:  # there is none, or none for this version
        tell()
    trio.run(trio_idle if sys.argv[1] == "idle" else trio_main)
arrived = threading.Event()
threading.Thread(target=in_thread, daemon=True).start()
arrived.wait()
asyncio.run(asyncio_main())
