# SPDX-License-Identifier: MIT
import concurrent.futures
import os


def crash(data):
    os._exit(len(data) > 0)


if __name__ == "__main__":
    with concurrent.futures.ProcessPoolExecutor(2) as pool:  # HERE maps
        list(pool.map(crash, [b"x" * (1 << 22)] * 10))  # HERE maps
