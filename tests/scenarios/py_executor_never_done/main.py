# SPDX-License-Identifier: MIT
import asyncio
import threading

stop = threading.Event()


def work():
    stop.wait()  # HERE waits


async def main():
    asyncio.get_running_loop().run_in_executor(None, work)
    await asyncio.sleep(0.1)


asyncio.run(main())
