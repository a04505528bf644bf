# SPDX-License-Identifier: MIT
import threading

import __main__

__main__.both.wait()
plugin = threading.Thread(target=__import__, args=("two",), name="plugin-of-one")
plugin.start()
plugin.join()  # HERE one-joins
