# SPDX-License-Identifier: MIT
import threading

both = threading.Barrier(2)

if __name__ == "__main__":
    loaders = [threading.Thread(target=__import__, args=(name,), name="loads-" + name) for name in ("one", "two")]
    for loader in loaders:
        loader.start()
    for loader in loaders:
        loader.join()
