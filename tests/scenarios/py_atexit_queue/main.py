# SPDX-License-Identifier: MIT
import atexit
import queue
import threading

jobs = queue.Queue()


def consume():
    while True:
        job = jobs.get()
        job()  # the first one raises, and the consumer is gone
        jobs.task_done()


def fail():
    raise SystemExit


@atexit.register
def flush():
    jobs.join()  # HERE exit-joins


consumer = threading.Thread(target=consume, name="consumer", daemon=True)
consumer.start()
jobs.put(fail)
consumer.join()
