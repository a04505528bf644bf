# SPDX-License-Identifier: MIT
import _interpreters as interpreters
import threading

number = interpreters.create()


def enter_and_destroy():
    try:
        interpreters.run_string(number, "1")
        interpreters.destroy(number)
    except interpreters.InterpreterNotFoundError:
        pass


threads = [threading.Thread(target=enter_and_destroy, name="entrant") for _ in range(200)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()  # HERE joins
