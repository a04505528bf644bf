# SPDX-License-Identifier: MIT
import fcntl
import os
import subprocess
import sys
import tempfile

handle, path = tempfile.mkstemp()
fcntl.flock(handle, fcntl.LOCK_EX)
os.set_inheritable(handle, True)
child = subprocess.Popen([sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE, close_fds=False)
os.close(handle)
with open(path, "w") as file:
    os.unlink(path)
    fcntl.flock(file, fcntl.LOCK_EX)  # HERE wants-its-own-lock
child.communicate()
