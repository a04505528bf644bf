# SPDX-License-Identifier: MIT
"""What this machine has: the build's products, Pythons, other runtimes. Nothing here starts a test's program."""

import functools
import glob
import os
import re
import shutil
import subprocess

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def library():
    """The shim: what the user preloads."""
    return os.environ.get("RACEWATCH_TEST_LIBRARY") or os.path.join(ROOT, "bazel-bin/shim/libracewatch.so")


def program():
    """The racewatch program."""
    return os.environ.get("RACEWATCH_TEST_PROGRAM") or os.path.join(ROOT, "bazel-bin/tools/racewatch")


def _candidates():
    """Python executables, the most telling first: those named by the user, Debian's, the PATH's, pyenv's."""
    named = os.environ.get("RACEWATCH_TEST_PYTHONS", "")
    yield from (p for p in named.split(":") if p)
    yield "/usr/bin/python3"
    for folder in os.environ.get("PATH", "").split(":"):
        if folder and "/shims" not in folder:
            yield from sorted(p for p in glob.glob(os.path.join(folder, "python3.[0-9]*")) if re.search(r"\.\d+$", p))
    for root in {os.environ.get("PYENV_ROOT", ""), os.path.expanduser("~/.pyenv")} - {""}:
        yield from sorted(glob.glob(os.path.join(root, "versions", "3.*", "bin", "python3")))


@functools.lru_cache(maxsize=None)
def pythons():
    """{"3.11": path, ...}: the first executable found for each minor version."""
    found = {}
    for path in _candidates():
        if not os.access(path, os.X_OK):
            continue
        shown = subprocess.run(
            [path, "-c", "import sys; print('%d.%d' % sys.version_info[:2])"],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=False,
        )
        if shown.returncode == 0:
            found.setdefault(shown.stdout.strip(), path)
    return found


@functools.lru_cache(maxsize=None)
def python_has(path, module):
    shown = subprocess.run([path, "-c", "import " + module], stdin=subprocess.DEVNULL,
                           stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
    return shown.returncode == 0


@functools.lru_cache(maxsize=None)
def python_include(path):
    """The folder of Python.h for that executable, or None where its headers are not installed."""
    shown = subprocess.run([path, "-c", "import sysconfig; print(sysconfig.get_paths()['include'])"],
                           stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, check=False)
    folder = shown.stdout.strip()
    return folder if os.path.exists(os.path.join(folder, "Python.h")) else None


def is_container():
    """Whether there may be processes outside of this PID namespace, which cannot be seen from here."""
    first_pid_namespace = 0xEFFFFFFC
    return os.stat("/proc/self/ns/pid").st_ino != first_pid_namespace


def tool(name):
    """The path of a program on this machine, or None. rustup's are looked for too."""
    return shutil.which(name) or shutil.which(name, path=os.path.expanduser("~/.cargo/bin"))


DEBIAN_PYTEST = "/usr/lib/python3/dist-packages"


@functools.lru_cache(maxsize=None)
def pytest_environment(path):
    """What to add to the environment so that `path -m pytest` works: Debian's pytest serves other Pythons too.
    None where it works with neither."""
    if python_has(path, "pytest"):
        return {}
    added = {"PYTHONPATH": DEBIAN_PYTEST}
    shown = subprocess.run([path, "-m", "pytest", "--version"], env=dict(os.environ, **added), check=False,
                           stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return added if shown.returncode == 0 else None
