# SPDX-License-Identifier: MIT
import threading

barrier = threading.Barrier(3)


def run():
    barrier.wait()  # HERE at-the-barrier


runners = [threading.Thread(target=run, name="runner-%d" % i) for i in range(2)]
for runner in runners:
    runner.start()
for runner in runners:
    runner.join()
