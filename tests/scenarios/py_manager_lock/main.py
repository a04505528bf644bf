# SPDX-License-Identifier: MIT
import multiprocessing


def job(lock):
    lock.acquire()  # and ends with it


if __name__ == "__main__":
    lock = multiprocessing.get_context("fork").Manager().Lock()
    process = multiprocessing.get_context("fork").Process(target=job, args=(lock,))
    process.start()
    process.join()
    lock.acquire()  # HERE waits
