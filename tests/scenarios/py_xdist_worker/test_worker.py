# SPDX-License-Identifier: MIT
import threading

done = threading.Event()


def test_that_passes():
    pass


def test_that_hangs_in_a_worker():
    done.wait()  # HERE waits
