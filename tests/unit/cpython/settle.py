# SPDX-License-Identifier: MIT
"""Waits until a thread waits."""
import time


def settle(thread):
    """Until it sleeps and is not woken even for a moment, as one that wants the GIL is all the time; or has ended."""
    before, same = None, 0
    while same < 5 and thread.is_alive():
        time.sleep(.02)
        try:
            with open("/proc/self/task/%d/status" % thread.native_id, encoding="utf-8") as f:
                now = [line for line in f if line.startswith(("State:", "voluntary"))]
        except OSError:
            continue
        same = same + 1 if now == before and "S (" in now[0] else 0
        before = now
