# SPDX-License-Identifier: MIT
import os
import queue
import threading

jobs, results = queue.SimpleQueue(), queue.SimpleQueue()


def serve():
    while True:
        results.put(jobs.get()())


threading.Thread(target=serve, name="cached-worker", daemon=True).start()
jobs.put(int)
results.get()
child = os.fork()
if child == 0:
    jobs.put(int)
    results.get()  # HERE child-waits
    os._exit(0)
os.waitpid(child, 0)
