# SPDX-License-Identifier: MIT
import ctypes
import sys
import threading

PATH = sys.argv[1]
releasing = ctypes.CDLL(PATH)   # lets the GIL go during a call
holding = ctypes.PyDLL(PATH)    # keeps it, as an extension module does by default
mutex_is_taken = threading.Event()

FUNCTION = ctypes.CFUNCTYPE(None)


@FUNCTION
def entry():
    pass


@FUNCTION
def ready():
    mutex_is_taken.set()


def has_the_mutex():
    releasing.each_entry(entry, ready)


def has_the_gil():
    mutex_is_taken.wait()
    holding.invalidate()  # HERE wants-the-mutex


threads = [threading.Thread(target=has_the_mutex, name="has-the-mutex"),
           threading.Thread(target=has_the_gil, name="has-the-gil")]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
