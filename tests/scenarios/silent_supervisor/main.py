# SPDX-License-Identifier: MIT
# A parent that waits for a child, which serves a peer that has nothing to say for a while.
import os
import socket
import threading
import time

listener = socket.create_server(("127.0.0.1", 0))
child = os.fork()
if child == 0:
    connection, _ = listener.accept()
    while connection.recv(10):
        connection.sendall(b"y")
    os._exit(0)


def client():
    connection = socket.create_connection(listener.getsockname())
    for _ in range(2):
        time.sleep(4)
        connection.sendall(b"x")
        connection.recv(1)


threading.Thread(target=client).start()
os.waitpid(child, 0)
