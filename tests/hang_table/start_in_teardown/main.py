# SPDX-License-Identifier: MIT
import threading


class Closer:
    def __del__(self, start=threading.Thread.start, thread=threading.Thread(target=print, name="flusher")):
        start(thread)  # HERE starts


closer = Closer()
