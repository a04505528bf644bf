# SPDX-License-Identifier: MIT
import concurrent.futures
import os
import subprocess
import sys
import threading
import time

import pytest


@pytest.fixture
def lock():
    yield threading.Lock()


def test_threads(lock):
    seen = []

    def work(number):
        with lock:
            seen.append(number)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(seen) == list(range(20))


def test_pool():
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        assert list(pool.map(abs, range(-10, 0))) == list(range(10, 0, -1))


def test_subprocess():
    assert subprocess.run([sys.executable, "-c", "exit(3)"], check=False).returncode == 3


def test_fork():
    child = os.fork()
    if child == 0:
        os._exit(4)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 4


def test_contention(lock):
    with lock:
        waiting = threading.Thread(target=lock.acquire)
        waiting.start()
        time.sleep(0.1)
    waiting.join()


def test_timed_wait():
    assert not threading.Event().wait(0.1)
