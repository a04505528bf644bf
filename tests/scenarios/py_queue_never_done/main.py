# SPDX-License-Identifier: MIT
import queue
import threading

jobs = queue.Queue()


def work():
    while True:
        job = jobs.get()  # HERE waits-for-work
        if job == 3:
            continue  # and forgets to say that it is done
        jobs.task_done()


threading.Thread(target=work, name="worker", daemon=True).start()
for number in range(5):
    jobs.put(number)
jobs.join()  # HERE joins
