# SPDX-License-Identifier: MIT
"""A daemon thread hands a job to concurrent.futures while the program ends. Before Python 3.9 (bpo-31783) the exit may take
its list of the workers before the new one is on it: nobody waits for that one, and its job is lost."""
import atexit
import os
import sys
import threading
import time

accepted, done = [], []


@atexit.register  # before concurrent.futures registers its own, and so run after it
def look():
    feeder.join()
    if len(done) < len(accepted):
        print("RuntimeError: %d of %d jobs were lost" % (len(accepted) - len(done), len(accepted)), file=sys.stderr)
        sys.stderr.flush()
        os._exit(1)


from concurrent.futures import ThreadPoolExecutor  # noqa: E402  pylint: disable=wrong-import-position

pool = ThreadPoolExecutor(4)


def job():
    time.sleep(0.01)
    done.append(True)


def feed():
    is_begun.set()
    try:
        accepted.append(pool.submit(job))
    except RuntimeError:
        pass  # refused, as it should be once the program ends


is_begun = threading.Event()
feeder = threading.Thread(target=feed, daemon=True)
feeder.start()
is_begun.wait()
time.sleep(0.02)  # the rest of its work
