# SPDX-License-Identifier: MIT
import threading

slots = threading.Semaphore(0)


def fill():
    threading.Event().wait()


threading.Thread(target=fill, name="other", daemon=True).start()
slots.acquire()  # HERE waits
