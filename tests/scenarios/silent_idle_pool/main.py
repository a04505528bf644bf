# SPDX-License-Identifier: MIT
import time
from concurrent.futures import ThreadPoolExecutor

with ThreadPoolExecutor(4) as pool:
    list(pool.map(str, range(100)))
    for _ in range(30):
        time.sleep(0.1)
