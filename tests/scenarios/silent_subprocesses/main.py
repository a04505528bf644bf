# SPDX-License-Identifier: MIT
import subprocess
import time

end = time.monotonic() + 4
while time.monotonic() < end:
    assert subprocess.run(["/bin/echo", "x"], stdout=subprocess.PIPE, check=True).stdout == b"x\n"
    subprocess.run(["/bin/sh", "-c", "sleep 0.2; exit 3"], check=False)
