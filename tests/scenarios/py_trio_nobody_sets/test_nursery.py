# SPDX-License-Identifier: MIT
import trio


async def consume(is_ready):
    await is_ready.wait()  # HERE waits


async def main():
    async with trio.open_nursery() as nursery:
        nursery.start_soon(consume, trio.Event(), name="consumer")


def test_that_consumes():
    trio.run(main)
