# SPDX-License-Identifier: MIT
import threading

import _xxsubinterpreters as interpreters

number = interpreters.create()


def run():
    interpreters.run_string(number, "while True: pass")


def test_that_is_starved():
    threading.Thread(target=run, name="inside", daemon=True).start()
    for _ in range(1000000000):
        pass  # HERE starves
