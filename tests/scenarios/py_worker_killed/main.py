# SPDX-License-Identifier: MIT
import multiprocessing
import os
import signal


def work(number):
    if number == 1:
        os.kill(os.getpid(), signal.SIGKILL)  # as the kernel does where memory runs out
    return number


if __name__ == "__main__":
    with multiprocessing.get_context("fork").Pool(2) as pool:
        pool.map(work, range(4), chunksize=1)  # HERE waits
