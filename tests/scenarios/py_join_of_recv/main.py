# SPDX-License-Identifier: MIT
import socket
import threading

here, there = socket.socketpair()


def receive():
    here.recv(1)  # HERE receives


thread = threading.Thread(target=receive, name="receiver")
thread.start()
thread.join()  # HERE joins
there.send(b"x")
