# SPDX-License-Identifier: MIT
"""Compiles what a bench measures with."""

import os
import subprocess

HERE = os.path.dirname(os.path.abspath(__file__))


def _gcc(folder, source, suffix, *flags):
    path = os.path.join(folder, source[:-len(".c")] + suffix)
    subprocess.run(["gcc", "-O2", "-D_GNU_SOURCE", "-Wall", *flags, "-o", path, os.path.join(HERE, source)], check=True)
    return path


def program(folder, source):
    return _gcc(folder, source, "", "-pthread")


def library(folder, source):
    return _gcc(folder, source, ".so", "-shared", "-fPIC")
