# SPDX-License-Identifier: MIT
import threading

locks = [threading.Lock() for _ in range(3)]
all_have_one = threading.Barrier(3)


def philosopher(left, right):
    with left:
        all_have_one.wait()
        with right:  # HERE wants
            pass


threads = [threading.Thread(target=philosopher, args=(locks[i], locks[(i + 1) % 3]), name="ring-%d" % i)
           for i in range(3)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
