# SPDX-License-Identifier: MIT
import threading


class Buffer:
    def __init__(self):
        self.lock = threading.Lock()
        self.lines = []

    def append(self, line):
        with self.lock:  # HERE takes-it-again
            self.lines.append(line)

    def flush(self):
        with self.lock:
            self.lines.clear()
            self.append("flushed")


thread = threading.Thread(target=Buffer().flush, name="flusher")
thread.start()
thread.join()
