# SPDX-License-Identifier: MIT
import socket
import subprocess
import sys
import threading

SERVER = """
import socket, sys
listener = socket.create_server(("127.0.0.1", 0))
print(listener.getsockname()[1], flush=True)
connection = listener.accept()[0]
connection.recv(1)
"""
server = subprocess.Popen([sys.executable, "-c", SERVER], stdout=subprocess.PIPE, text=True)
connection = socket.create_connection(("127.0.0.1", int(server.stdout.readline())))


def receive():
    connection.recv(1)  # HERE receives


thread = threading.Thread(target=receive, name="receiver")
thread.start()
thread.join()  # HERE joins
