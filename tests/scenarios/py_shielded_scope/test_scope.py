# SPDX-License-Identifier: MIT
import os
import signal
import threading

import trio


async def drain(is_sent):
    with trio.CancelScope(shield=True):
        await is_sent.wait()  # HERE waits-shielded


async def serve():
    with trio.CancelScope() as scope, trio.open_signal_receiver(signal.SIGINT) as signals:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(drain, trio.Event(), name="drain")
            threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT)).start()
            async for _ in signals:
                scope.cancel()


def test_that_is_interrupted():
    trio.run(serve)
