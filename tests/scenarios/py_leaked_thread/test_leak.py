# SPDX-License-Identifier: MIT
import threading

stop = threading.Event()


def poll():
    stop.wait()  # HERE polls


def test_before():
    threading.Thread(target=threading.Event().wait, name="harmless", daemon=True).start()


def test_that_leaves_a_thread_behind():
    threading.Thread(target=poll, name="poller").start()


def test_after():
    assert not stop.is_set()
