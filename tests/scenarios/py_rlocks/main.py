# SPDX-License-Identifier: MIT
import threading

store = threading.RLock()
cache = threading.RLock()
both_have_one = threading.Barrier(2)


def reader():
    with cache, cache:
        both_have_one.wait()
        with store:  # HERE reader-wants
            pass


def writer():
    with store:
        both_have_one.wait()
        with cache:  # HERE writer-wants
            pass


threads = [threading.Thread(target=reader, name="reader"), threading.Thread(target=writer, name="writer")]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
