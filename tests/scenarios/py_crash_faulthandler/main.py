# SPDX-License-Identifier: MIT
"""faulthandler says what it always says, and the process dies as it always does; it is looked at in between."""
import ctypes
import faulthandler
import threading

faulthandler.enable()
parked = threading.Event()
threading.Thread(target=parked.wait, name="parked", daemon=True).start()


def reckless():
    ctypes.string_at(0)  # HERE fault


reckless()
