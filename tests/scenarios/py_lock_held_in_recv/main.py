# SPDX-License-Identifier: MIT
import socket
import threading

lock = threading.Lock()
here, there = socket.socketpair()
has_it = threading.Event()


def session():
    with lock:
        has_it.set()
        here.recv(1)  # HERE receives


threading.Thread(target=session, name="session").start()
has_it.wait()
with lock:  # HERE wants-the-lock
    there.send(b"x")
