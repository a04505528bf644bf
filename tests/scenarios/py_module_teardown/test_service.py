# SPDX-License-Identifier: MIT
import threading

import pytest


@pytest.fixture(scope="module", autouse=True)
def service():
    thread = threading.Thread(target=threading.Event().wait, name="service")
    thread.start()
    yield
    thread.join()  # HERE joins


def test_first():
    pass


def test_last():
    pass
