# SPDX-License-Identifier: MIT
import subprocess
import sys

child = subprocess.Popen([sys.executable, "-c", "import sys; sys.stdout.write('x' * 200000)"], stdout=subprocess.PIPE)
child.wait()  # HERE parent-waits
