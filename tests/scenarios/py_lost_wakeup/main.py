# SPDX-License-Identifier: MIT
import threading

changed = threading.Condition()


def signal_too_early():
    with changed:
        changed.notify_all()


thread = threading.Thread(target=signal_too_early, name="notifier")
thread.start()
thread.join()
with changed:
    changed.wait()  # HERE waits-too-late
