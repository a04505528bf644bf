# SPDX-License-Identifier: MIT
import threading

never = threading.Event()
queue_is_empty = threading.Event()


def work():
    never.wait()  # HERE works


def test_with_many_threads():
    for i in range(150):
        threading.Thread(target=work, name="worker-%d" % i, daemon=True).start()
    queue_is_empty.wait()  # HERE main-waits
