# SPDX-License-Identifier: MIT
import threading
import time

import _interpreters as interpreters

number = interpreters.create("legacy")


def run():
    interpreters.run_string(number, "while True: pass")  # HERE enters


def test_that_is_slowed_down():
    threading.Thread(target=run, name="inside", daemon=True).start()
    while True:
        sum(range(200000))  # HERE is-slowed-down
        time.sleep(0)  # HERE is-slowed-down
