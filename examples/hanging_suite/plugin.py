# SPDX-License-Identifier: MIT
import threading

stop = threading.Event()


def greet(name):
    return "hello, " + name


def heartbeat():
    stop.wait()  # HERE heartbeat


def start_heartbeat():
    threading.Thread(target=heartbeat, name="heartbeat").start()
