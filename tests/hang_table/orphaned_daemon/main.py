# SPDX-License-Identifier: MIT
"""
A daemon thread of a subinterpreter, parked in a read, owns a native mutex. destroy() returns without it; when it wakes, its
interpreter is gone, and it stops for ever with the mutex in its hands.
"""
import ctypes
import os

import _interpreters as interpreters

libc = ctypes.CDLL(None)
mutex = ctypes.create_string_buffer(64)  # a pthread_mutex_t
taken_r, taken_w = os.pipe()
wake_r, wake_w = os.pipe()
libc.pthread_mutex_init(mutex, None)

number = interpreters.create("legacy")
interpreters.run_string(number, """
import ctypes, os, threading

def own():
    ctypes.CDLL(None).pthread_mutex_lock(ctypes.c_void_p(%d))
    os.write(%d, b".")
    os.read(%d, 1)

threading.Thread(target=own, name="orphan", daemon=True).start()
""" % (ctypes.addressof(mutex), taken_w, wake_r))
os.read(taken_r, 1)
interpreters.destroy(number)
os.write(wake_w, b".")
libc.pthread_mutex_lock(mutex)  # HERE wants
