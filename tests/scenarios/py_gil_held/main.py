# SPDX-License-Identifier: MIT
import ctypes
import threading

libc = ctypes.PyDLL(None)


def native_call():
    libc.pause()  # HERE holds-the-gil


threads = [threading.Thread(target=native_call, name="native-call")]
threads += [threading.Thread(target=sum, args=(range(10**9),), name="victim-%d" % i) for i in range(2)]
for thread in reversed(threads):
    thread.start()
for thread in threads:
    thread.join()
