# SPDX-License-Identifier: MIT
import ctypes
import threading

libc = ctypes.PyDLL(None)
stop = False


def native_call():
    libc.pause()  # HERE holds-the-gil


def work():
    while not stop:
        pass


threads = [threading.Thread(target=work, name="victim-%d" % i) for i in range(2)]
threads.append(threading.Thread(target=native_call, name="native-call"))
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
