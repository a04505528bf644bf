# SPDX-License-Identifier: MIT
import asyncio


async def echo(reader, writer):
    writer.write(await reader.readline())  # HERE server-waits


async def ask():
    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
    writer.write(b"hello")  # no end of line
    await reader.readline()  # HERE client-waits


def test_that_asks():
    asyncio.run(ask())
