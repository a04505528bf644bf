# SPDX-License-Identifier: MIT
import threading

threads = {}
both_run = threading.Barrier(3)


def produce():
    both_run.wait()
    threads["consumer"].join()  # HERE producer-joins


def consume():
    both_run.wait()
    threads["producer"].join()  # HERE consumer-joins


threads["producer"] = threading.Thread(target=produce, name="producer")
threads["consumer"] = threading.Thread(target=consume, name="consumer")
for thread in threads.values():
    thread.start()
both_run.wait()
threads["producer"].join()
