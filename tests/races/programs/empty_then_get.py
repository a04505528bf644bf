# SPDX-License-Identifier: MIT
"""Two workers look whether the queue is empty before they wait for its next item: for the last one both do, and one waits
for ever."""
import queue
import threading

things = queue.Queue()
for number in range(20):
    things.put(number)


def work():
    while not things.empty():
        things.get()


threads = [threading.Thread(target=work) for _ in range(2)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
