# SPDX-License-Identifier: MIT
import socket
import threading

left, right = socket.socketpair()
DATA = b"x" * (1 << 22)


def send_left():
    left.sendall(DATA)  # HERE left-sends
    left.recv(1)


def send_right():
    right.sendall(DATA)  # HERE right-sends
    right.recv(1)


threads = [threading.Thread(target=send_left, name="left"), threading.Thread(target=send_right, name="right")]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
