# SPDX-License-Identifier: MIT
import multiprocessing
import os


def consume(queue, started):
    started.set()
    os._exit(1)


if __name__ == "__main__":
    context = multiprocessing.get_context("fork")
    queue, started = context.Queue(), context.Event()
    worker = context.Process(target=consume, args=(queue, started))
    worker.start()
    started.wait()
    worker.join()
    queue.put(b"x" * (1 << 20))
    queue.close()
    queue.join_thread()  # HERE joins-feeder
