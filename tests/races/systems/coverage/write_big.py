# SPDX-License-Identifier: MIT
"""Writes a module of 90 functions of 20 lines each."""
import sys

with open(sys.argv[1], "w", encoding="utf-8") as module:
    for number in range(90):
        module.write("def function_%03d(x):\n%s    return x\n\n\n" % (number, "".join("    x += %d\n" % n for n in range(20))))
