# SPDX-License-Identifier: MIT
import io
import os
import threading
import time


class Slow(io.RawIOBase):
    """A terminal that does not take anything for a while."""

    def writable(self):
        return True

    def write(self, data):
        inside.set()
        time.sleep(60)
        return len(data)


inside = threading.Event()
stream = io.BufferedWriter(Slow(), 16)


def write_slowly():
    stream.write(b"x" * 100)  # HERE writer-has-it


threading.Thread(target=write_slowly, name="writer", daemon=True).start()
inside.wait()
child = os.fork()
if child == 0:
    stream.write(b"y")  # HERE child-wants
    os._exit(0)
os.waitpid(child, 0)
