# SPDX-License-Identifier: MIT
import asyncio
import os
import signal
import threading


async def drain(is_sent):
    sending = asyncio.ensure_future(is_sent.wait())
    while not sending.done():
        try:
            await asyncio.shield(sending)
        except asyncio.CancelledError:
            pass  # what is being sent must not be lost


async def serve():
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGINT, asyncio.current_task().cancel)
    threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT)).start()
    await drain(asyncio.Event())


def test_that_is_interrupted():
    asyncio.run(serve())  # HERE runs-the-loop
