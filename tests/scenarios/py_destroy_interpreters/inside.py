# SPDX-License-Identifier: MIT
import os
import threading

FOLDER = os.path.dirname(os.path.abspath(__file__))
gate = threading.Lock()


def park():
    with gate:  # HERE parks
        pass


def leave_a_parked_thread():
    gate.acquire()
    threading.Thread(target=park, name="parked").start()
