# SPDX-License-Identifier: MIT
"""A little of each way in which Python waits, in so few threads that a look is short: a lock that another thread holds in a
`with`, a queue, a join, a task that waits for another, of asyncio and of trio. Says READY when all of them wait."""
import _thread
import asyncio
import os
import queue
import threading

try:
    import trio
except ImportError:  # it is Debian's Python that has it
    trio = None

lock = threading.Lock()
nothing = queue.Queue()
tids = []


def hold():
    with lock:
        tids.append(threading.get_native_id())
        nothing.get()


def want():
    tids.append(threading.get_native_id())
    with lock:
        pass


async def inner(event):
    await event.wait()


async def outer():
    event = asyncio.Event()
    task = asyncio.get_running_loop().create_task(inner(event))
    await asyncio.sleep(0)
    while not all(sleeps(tid) for tid in tids[:]) or len(tids) < (4 if trio else 3):
        await asyncio.sleep(0.01)
    print("READY", flush=True)
    os.read(0, 1)
    await task


async def parent():
    async with trio.open_nursery() as nursery:
        nursery.start_soon(child, trio.Event())


async def child(event):
    tids.append(threading.get_native_id())
    await event.wait()


def sleeps(tid):
    with open("/proc/self/task/%d/stat" % tid, encoding="utf-8", errors="replace") as f:
        return f.read().rsplit(")", 1)[1].split()[0] == "S"


def join(thread):
    tids.append(threading.get_native_id())
    thread.join()


holder = threading.Thread(target=hold, name="holder")
holder.start()
while not tids:
    pass
_thread.start_new_thread(want, ())
_thread.start_new_thread(join, (holder,))
if trio:
    _thread.start_new_thread(trio.run, (parent,))
asyncio.run(outer())
