# SPDX-License-Identifier: MIT
import concurrent.futures

if __name__ == "__main__":
    pool = concurrent.futures.ProcessPoolExecutor(1)
    pool.submit(int).result()
    pool.submit(int).cancel()
    pool.shutdown()  # HERE shuts-down
