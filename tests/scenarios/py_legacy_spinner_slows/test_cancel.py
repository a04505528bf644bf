# SPDX-License-Identifier: MIT
import threading

import _interpreters as interpreters

number = interpreters.create("legacy")


def run():
    interpreters.run_string(number, "while True: pass")  # HERE enters


def test_that_is_slowed_down():
    threading.Thread(target=run, name="inside", daemon=True).start()
    for _ in range(1000000000):  # HERE is-slowed-down
        pass  # HERE is-slowed-down
