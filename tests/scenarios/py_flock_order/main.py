# SPDX-License-Identifier: MIT
import fcntl
import os
import shutil
import tempfile

folder = tempfile.mkdtemp()
names = [os.path.join(folder, name) for name in ("a", "b")]
ready = [os.pipe(), os.pipe()]


def work(first, second, mine, others):
    one, two = open(names[first], "w"), open(names[second], "w")
    fcntl.flock(one, fcntl.LOCK_EX)
    os.write(ready[mine][1], b"1")
    os.read(ready[others][0], 1)
    if mine == 0:  # both have both open
        shutil.rmtree(folder)
    fcntl.flock(two, fcntl.LOCK_EX)  # HERE second-lock


child = os.fork()
if child == 0:
    work(1, 0, 1, 0)
    os._exit(0)
work(0, 1, 0, 1)
os.waitpid(child, 0)
