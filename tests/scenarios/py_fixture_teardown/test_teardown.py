# SPDX-License-Identifier: MIT
import queue
import threading

import pytest


@pytest.fixture
def server():
    requests = queue.Queue()
    worker = threading.Thread(target=requests.get, name="worker")
    worker.start()
    yield requests
    requests.put("stop")
    worker.join()
    requests.put("are you still there?")
    requests.join()  # HERE waits


def test_before():
    pass


def test_with_server(server):
    assert server.empty()
