# SPDX-License-Identifier: MIT
"""Runs inside the subinterpreter."""
import os
import threading

FOLDER = os.path.dirname(os.path.abspath(__file__))
gate = threading.Event()


def park():
    gate.wait()  # HERE parks


def leave_a_parked_thread():
    threading.Thread(target=park, name="parked").start()
