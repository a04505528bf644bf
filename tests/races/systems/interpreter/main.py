# SPDX-License-Identifier: MIT
"""
A supervisor in the way of tractor's: an actor lives in an interpreter of its own, and runs in a worker thread that trio keeps.
Both the supervisor and the actor import threading in there. If the actor is first, Python 3.11 takes the worker for the
main thread of that interpreter; and the supervisor, which destroys it in the end, waits for the idle worker for ever.
"""
import time

import _xxsubinterpreters as interpreters
import trio

actor = interpreters.create(isolated=False)


def enter(script):
    """One thread at a time may be in it."""
    while True:
        try:
            return interpreters.run_string(actor, script)
        except interpreters.RunFailedError:
            raise
        except RuntimeError:
            time.sleep(0.001)


def act():
    time.sleep(0.05)  # it connects
    enter("import threading")


def read_configuration():
    with open(__file__, encoding="utf-8") as file:
        return file.read()


async def main():
    async with trio.open_nursery() as nursery:
        nursery.start_soon(trio.to_thread.run_sync, act)
        await trio.to_thread.run_sync(read_configuration)
        enter("import threading")
    interpreters.destroy(actor)


trio.run(main)
