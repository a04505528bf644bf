# SPDX-License-Identifier: MIT
"""
Every CPython that the tests can use, by name: those of this machine, pyenv's, and those that tests/pythons/ready made.

A name says where it comes from, its version and its kind: "bookworm-3.11", "forky-3.15-dbg", "trixie-3.13-embedded",
"pyenv-3.8.18", "3.13t". One in a root (a Debian of another suite) runs there by chroot, in a mount namespace of its own;
its process id and the paths of the folders that are named are the same inside and outside.
"""

import functools
import glob
import json
import os
import re
import subprocess

from . import machine

MINORS = range(8, 16)
KINDS_EXPECTED = [
    "bullseye-3.9", "bullseye-3.9-dbg",
    "bookworm-3.11", "bookworm-3.11-dbg", "bookworm-3.11-embedded",
    "trixie-3.13", "trixie-3.13-dbg", "trixie-3.13-embedded",
    "forky-3.13",
    "forky-3.14", "forky-3.14-dbg", "forky-3.14-embedded",
    "forky-3.15", "forky-3.15-dbg", "forky-3.15-embedded",
    "3.13t",
]
IN_ROOT = os.path.join(machine.ROOT, "tests/pythons/in_root")

_PROBE = """
import sys, sysconfig, json
maps = open("/proc/self/maps").read()
print(json.dumps({"version": sys.version_info[:3], "is_debug": hasattr(sys, "gettotalrefcount"),
    "is_free_threaded": bool(sysconfig.get_config_var("Py_GIL_DISABLED")), "is_shared": "/libpython3" in maps}))
"""


def cache():
    """The folder of what tests/pythons/ready made; it may not exist."""
    base = os.environ.get("RACEWATCH_TEST_CACHE")
    if not base:
        base = os.path.join(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "racewatch")
    return os.path.join(base, "pythons")


class Python:
    def __init__(self, name, path, root=None):
        self.name = name
        self.path = path  # inside the root
        self.root = root
        self.version = None  # (3, 11, 2)
        self.is_debug = self.is_free_threaded = self.is_shared = False
        self.is_embedded = name.endswith("-embedded")

    def probe(self):
        """Runs it once to see what it is; False where it does not run."""
        try:
            shown = subprocess.run(self.command("-I", "-c", _PROBE), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                   stderr=subprocess.DEVNULL, env=plain_environment(), timeout=60, check=False)
            found = json.loads(shown.stdout)
        except (OSError, ValueError, subprocess.TimeoutExpired):
            return False
        self.version = tuple(found.pop("version"))
        self.__dict__.update(found)
        return True

    @property
    def minor(self):
        return "%d.%d" % self.version[:2]

    def command(self, *arguments, folders=(), env=None):
        """What to execute to run it with those arguments. `folders` are to be there inside its root too; `env` is set
        for it alone, not for what goes before it."""
        argv = [self.path, *arguments]
        if env:
            argv = ["/usr/bin/env", *("%s=%s" % item for item in sorted(env.items())), *argv]
        if self.root:
            argv = ["unshare", "--mount", "--propagation", "private", IN_ROOT, self.root, *folders, "--", *argv]
        return argv

    def has(self, module):
        shown = subprocess.run(self.command("-c", "import " + module), stdin=subprocess.DEVNULL, env=plain_environment(),
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
        return shown.returncode == 0

    def pytest_environment(self):
        """What to add to the environment so that `-m pytest` works: Debian's pytest serves other Pythons too, and has a
        folder of its own in each root. None where it works with neither."""
        if not hasattr(self, "_pytest"):
            self._pytest = next((env for env in ({}, {"PYTHONPATH": machine.DEBIAN_PYTEST}) if self._runs_pytest(env)), None)
        return self._pytest

    def _runs_pytest(self, env):
        shown = subprocess.run(self.command("-m", "pytest", "--assert=plain", "--version", folders=env.values()), stdin=subprocess.DEVNULL,
                               env=dict(plain_environment(), **env), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                               check=False)
        return shown.returncode == 0

    @functools.lru_cache(maxsize=None)
    def takes_library(self):
        """Whether the library can be preloaded: not where its C library is older than the one that it was built with."""
        folder = os.path.dirname(machine.library())
        shown = subprocess.run(self.command("-c", "", folders=[folder], env={"LD_PRELOAD": machine.library(), "RACEWATCH": "0"}),
                               stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                               env=plain_environment(), check=False)
        return shown.returncode == 0

    def describe(self):
        kinds = [("debug", self.is_debug), ("free-threaded", self.is_free_threaded), ("libpython", self.is_shared),
                 ("embedded", self.is_embedded)]
        return " ".join(["%d.%d.%d" % self.version, *(word for word, is_so in kinds if is_so), self.path,
                         *(["in", self.root] if self.root else [])])


def plain_environment():
    return {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "LD_", "RACEWATCH"))}


def _suite():
    try:
        with open("/etc/os-release", encoding="utf-8") as f:
            return re.search(r"^VERSION_CODENAME=\"?(\w+)", f.read(), re.MULTILINE).group(1)
    except (OSError, AttributeError):
        return "system"


def _of_debian(prefix, folder, root):
    """Debian's Pythons below `folder`, which is / or a root."""
    for path in sorted(glob.glob(os.path.join(folder, "usr/bin/python3.*"))):
        found = re.fullmatch(r"python(3\.\d+)(-dbg)?", os.path.basename(path))
        if found:
            yield Python("%s-%s%s" % (prefix, found[1], found[2] or ""), "/usr/bin/" + found[0], root)


def _candidates():
    yield from _of_debian(_suite(), "/", None)
    for path in sorted(glob.glob(os.path.join(cache(), "embedded-*/python3.*"))):
        yield Python("%s-%s-embedded" % (_suite(), os.path.basename(path)[len("python"):]), path)
    for pyenv in {os.environ.get("PYENV_ROOT", ""), os.path.expanduser("~/.pyenv")} - {""}:
        for path in sorted(glob.glob(os.path.join(pyenv, "versions/3.*/bin/python3"))):
            yield Python("pyenv-" + path.split("/")[-3], path)
    for root in sorted(glob.glob(os.path.join(cache(), "root-*"))):
        if os.path.isdir(root):
            prefix = os.path.basename(root)[len("root-"):]
            yield from _of_debian(prefix, root, root)
            for path in sorted(glob.glob(os.path.join(root, "opt/embedded/python3.*"))):
                base = os.path.basename(path)
                yield Python("%s-%s-embedded" % (prefix, base[len("python"):]), "/opt/embedded/" + base, root)
    path = os.path.join(cache(), "python3.13t/bin/python3.13t")
    if os.path.exists(path):
        yield Python("3.13t", path)
    for path in filter(None, os.environ.get("RACEWATCH_TEST_PYTHONS", "").split(":")):
        yield Python(path, path)


@functools.lru_cache(maxsize=None)
def all_found():
    """Every Python from 3.8 on that runs here, oldest first; each executable once."""
    found, seen = [], set()
    for python in _candidates():
        key = (python.root, python.path if python.root else os.path.realpath(python.path))
        if key in seen or (python.root and os.geteuid()):
            continue
        if python.probe() and python.version >= (3, MINORS[0]):
            seen.add(key)
            found.append(python)
    return sorted(found, key=lambda p: (p.version, p.name))


def chosen(names, tally, title):
    """Those of these names, all when there are none; then each missing one counts in the tally: as a skip, and as a
    failure in CI, where tests/pythons/ready came before."""
    if not names:
        for name, reason in missing():
            if os.environ.get("CI") == "true":
                tally.result("%s on %s" % (title, name), ["it is missing: " + reason])
            else:
                tally.skip("%s on %s" % (title, name), reason)
        return all_found()
    unknown = set(names) - {p.name for p in all_found()}
    if unknown:
        raise SystemExit("no such Python: %s (`tests/pythons/ready --list` prints them)" % ", ".join(sorted(unknown)))
    return [p for p in all_found() if p.name in names]


@functools.lru_cache(maxsize=None)
def missing():
    """[(name, why)] of those that the tests would use and that are not here."""
    names = {p.name for p in all_found()}
    minors = {p.version[1] for p in all_found()}
    absent = [(name, "tests/pythons/ready makes it (as root, with network)") for name in KINDS_EXPECTED if name not in names]
    return absent + [("3.%d" % m, "no Debian release has it, and there is none under pyenv") for m in MINORS
                     if m not in minors and not any(n.split("-")[1:2] == ["3.%d" % m] for n in KINDS_EXPECTED)]
