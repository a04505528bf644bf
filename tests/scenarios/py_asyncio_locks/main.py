# SPDX-License-Identifier: MIT
import asyncio

taken = []


async def move(mine, other):
    async with mine:
        taken.append(mine)
        while len(taken) < 2:
            await asyncio.sleep(0)
        async with other:  # HERE wants-the-other
            pass


async def idle():
    await asyncio.Event().wait()


async def main():
    savings, wages = asyncio.Lock(), asyncio.Lock()
    asyncio.create_task(idle(), name="bystander")
    await asyncio.gather(asyncio.create_task(move(savings, wages), name="debit"),
                         asyncio.create_task(move(wages, savings), name="credit"))


asyncio.run(main())
