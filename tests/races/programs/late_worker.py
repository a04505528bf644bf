# SPDX-License-Identifier: MIT
"""A pool as concurrent.futures had it before bpo-31783: a worker that is made after the exit began to wait for the
workers is waited for by nobody, and its job is lost."""
import _thread
import atexit
import os
import queue
import sys
import threading

is_shut = False
workers = []  # a lock for each, which it holds while it lives
jobs = queue.SimpleQueue()
asked = done = 0


def work(alive):
    global done
    while True:
        job = jobs.get()
        if job is None:
            break
        job()
        done += 1
    alive.release()


def submit(job):
    global asked
    if is_shut:
        return
    alive = threading.Lock()
    alive.acquire()
    workers.append(alive)
    asked += 1
    jobs.put(job)
    _thread.start_new_thread(work, (alive,))


@atexit.register
def wait_for_workers():
    global is_shut
    is_shut = True
    known = list(workers)
    for _ in known:
        jobs.put(None)
    for alive in known:
        alive.acquire()
    feeder.join()  # so that it can be told here what was lost
    if done < asked:
        print("RuntimeError: %d of %d jobs were lost" % (asked - done, asked), file=sys.stderr)
        sys.stderr.flush()
        os._exit(1)


def feed():
    is_begun.set()
    submit(lambda: None)


is_begun = threading.Event()
feeder = threading.Thread(target=feed, daemon=True)
feeder.start()
is_begun.wait()
