# SPDX-License-Identifier: MIT
import logging
import os
import sys
import threading
import time

sink = os.open(os.devnull, os.O_WRONLY)


class Sink(logging.Handler):
    """Without a buffer: the lock of a buffer is not made right at fork (cpython#91776)."""

    def emit(self, record):
        os.write(sink, self.format(record).encode())


logging.basicConfig(handlers=[Sink()])
is_over = threading.Event()


def churn():
    while not is_over.is_set():
        logging.warning("x" * 100)
        bytearray(100000)
        time.sleep(0)


threads = [threading.Thread(target=churn) for _ in range(3)]
for thread in threads:
    thread.start()
end = time.monotonic() + 5
while time.monotonic() < end:
    child = os.fork()
    if child == 0:
        logging.warning("child")
        bytearray(100000)
        os._exit(0)
    os.waitpid(child, 0)
is_over.set()
for thread in threads:
    thread.join()
sys.exit(0)
