# SPDX-License-Identifier: MIT
import multiprocessing


def produce(queue):
    queue.put(b"x" * (1 << 20))


if __name__ == "__main__":
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    child = context.Process(target=produce, args=(queue,))
    child.start()
    child.join()  # HERE parent-joins
    queue.get()
