# SPDX-License-Identifier: MIT
import ctypes
import sys

ctypes.PyDLL(sys.argv[1]).move_interpreter()  # HERE calls
