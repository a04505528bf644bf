# SPDX-License-Identifier: MIT
import ctypes
import sys
import threading

PATH = sys.argv[1]
releasing = ctypes.CDLL(PATH)   # lets the GIL go during a call
holding = ctypes.PyDLL(PATH)    # keeps it, as an extension module does by default
is_inside = threading.Event()

FUNCTION = ctypes.CFUNCTYPE(None)


@FUNCTION
def fill():
    pass


@FUNCTION
def ready():
    is_inside.set()


def initialise():
    releasing.first(fill, ready)  # HERE makes-the-static


def use():
    is_inside.wait()
    holding.second()  # HERE wants-the-static


threads = [threading.Thread(target=initialise, name="initialises"), threading.Thread(target=use, name="has-the-gil")]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
