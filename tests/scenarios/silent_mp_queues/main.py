# SPDX-License-Identifier: MIT
import multiprocessing
import time


def work(jobs, results):
    for job in iter(jobs.get, None):
        time.sleep(0.05)
        results.put(job * 2)


if __name__ == "__main__":
    context = multiprocessing.get_context("fork")
    jobs, results = context.Queue(), context.Queue()
    workers = [context.Process(target=work, args=(jobs, results)) for _ in range(4)]
    for worker in workers:
        worker.start()
    end, given = time.monotonic() + 6, 0
    while time.monotonic() < end:
        for _ in range(8):
            jobs.put(given)
            given += 1
        for _ in range(8):
            results.get()
    time.sleep(3)  # everybody waits for work
    for worker in workers:
        jobs.put(None)
    for worker in workers:
        worker.join()
