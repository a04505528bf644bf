# SPDX-License-Identifier: MIT
"""Threads that enter one interpreter and destroy it, again and again, until they meet inside."""
import threading

import _interpreters as interpreters

THREADS = 8
numbers = [interpreters.create()]


def replace():
    numbers[0] = interpreters.create()


replaced = threading.Barrier(THREADS + 1, replace)  # and the main thread
together = threading.Barrier(THREADS + 1)


def enter_and_destroy():
    while True:
        replaced.wait()
        number = numbers[0]
        together.wait()
        try:
            interpreters.run_string(number, "1")
            interpreters.destroy(number)
        except (interpreters.InterpreterNotFoundError, interpreters.InterpreterError):
            pass


threads = [threading.Thread(target=enter_and_destroy, name="entrant-%d" % i) for i in range(THREADS)]
for thread in threads:
    thread.start()
while True:
    replaced.wait()  # HERE waits
    together.wait()
