# SPDX-License-Identifier: MIT
import atexit
import threading

flushed = threading.Event()


@atexit.register
def wait_for_the_flusher():
    flushed.wait()  # HERE waits


def flusher():
    pass  # ends without a word


thread = threading.Thread(target=flusher, name="flusher")
thread.start()
thread.join()
