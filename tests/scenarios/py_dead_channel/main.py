# SPDX-License-Identifier: MIT
import select
import socket
import threading

listener = socket.create_server(("127.0.0.1", 0))
to_parent = socket.create_connection(listener.getsockname())
parent = listener.accept()[0]
poller = select.epoll()
poller.register(to_parent, select.EPOLLIN | select.EPOLLONESHOT)


def serve():
    poller.poll()  # HERE hears-of-it
    poller.poll()  # HERE waits


thread = threading.Thread(target=serve, name="loop")
thread.start()
parent.send(b"x")
parent.close()
listener.close()
thread.join()
