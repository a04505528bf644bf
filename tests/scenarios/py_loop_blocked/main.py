# SPDX-License-Identifier: MIT
import asyncio
import queue

answers = queue.Queue()


async def answer():
    await asyncio.sleep(0.01)
    answers.put(42)


async def ask():
    asyncio.ensure_future(answer())
    await asyncio.sleep(0)
    return answers.get()  # HERE blocks-the-loop


asyncio.run(ask())
