# SPDX-License-Identifier: MIT
import asyncio


async def fetch():
    return 42


async def ask():
    future = asyncio.run_coroutine_threadsafe(fetch(), asyncio.get_running_loop())
    return future.result()  # HERE waits-for-its-own-loop


asyncio.run(ask())
