# SPDX-License-Identifier: MIT
"""Locks that are taken by acquire(), so that only the recording can tell who has them: lines
W native_id, name, owner's native_id (0: nobody can know), tab-separated, then READY. From 3.13.1 locks have no semaphores
that a recording could see. Waits for the end of its standard input."""
import os
import sys
import threading
import time

from settle import settle

has_semaphores = sys.version_info < (3, 13, 1)
taken = threading.Lock()
handed_on = threading.Lock()
left = threading.Lock()
passed = threading.Lock()
condition = threading.Condition()
expected = []


def start(function, name=None, owner=None):
    thread = threading.Thread(target=function, name="t-" + function.__name__, daemon=True)
    thread.start()
    settle(thread)
    if name:
        known = owner.native_id if owner and has_semaphores else 0
        expected.append("W %d\t%s\t%d" % (thread.native_id, name, known))
    return thread


def hold():
    taken.acquire()
    time.sleep(1000)


def want():
    taken.acquire()


def take_again():
    handed_on.release()
    handed_on.acquire()
    time.sleep(1000)


def want_handed_on():
    handed_on.acquire()


def leave():
    left.acquire()


def want_left():
    left.acquire()


def release_other():
    passed.release()
    time.sleep(1000)


def take_passed():
    passed.acquire()
    time.sleep(1000)


def want_passed():
    passed.acquire()


def wait():
    with condition:
        condition.wait()


start(want, "taken", start(hold))
handed_on.acquire()
start(want_handed_on, "handed_on", start(take_again))
start(want_left, "left", start(leave))
passed.acquire()
start(release_other)
start(want_passed, "passed", start(take_passed))
start(wait, "condition")
sys.stdout.write("\n".join(expected) + "\nREADY\n")
sys.stdout.flush()
os.read(0, 1)
os._exit(0)
