# SPDX-License-Identifier: MIT
import threading

import __main__

__main__.both.wait()
plugin = threading.Thread(target=__import__, args=("one",), name="plugin-of-two")
plugin.start()
plugin.join()  # HERE two-joins
