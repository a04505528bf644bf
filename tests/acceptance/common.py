# SPDX-License-Identifier: MIT
"""What the acceptance tests share: running a program with and without the shim, and compiling small programs."""

import atexit
import os
import re
import shutil
import subprocess
import tempfile
import unittest

from support import machine, processes

PROGRAMS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "programs")
SUITE = os.path.join(machine.ROOT, "examples", "hanging_suite")
PATIENCE_S = 60

_build = tempfile.mkdtemp(prefix="racewatch-acceptance-")
os.chmod(_build, 0o755)  # other users run what is in it
atexit.register(shutil.rmtree, _build, True)


def build_path(name):
    """Where a test may put what it builds itself."""
    return os.path.join(_build, name)


def compiled(source, *flags, name=None, compiler="gcc"):
    """The path of programs/SOURCE (or of an absolute path), compiled once."""
    path = build_path(name or re.sub(r"\W", "_", source.rsplit("/", 1)[-1] + "".join(flags)))
    if not os.path.exists(path):
        standard = [] if compiler == "g++" else ["-std=gnu11", "-D_GNU_SOURCE"]
        subprocess.run([compiler, *standard, "-g", "-O1", "-Wall", "-Werror", "-pthread", "-o", path,
                        os.path.join(PROGRAMS, source), *flags], check=True)
    return path


def scenario(name, *flags):
    """A scenario's C program, compiled."""
    return compiled(os.path.join(os.path.dirname(PROGRAMS), "..", "scenarios", name, "main.c"), *flags, name=name)


def marker(path, name):
    """The number of the line with the comment HERE NAME."""
    with open(path, encoding="utf-8") as f:
        return next(n for n, line in enumerate(f, 1) if re.search(r"HERE %s\b" % re.escape(name), line))


def preload(**more):
    """The environment of a bare LD_PRELOAD."""
    return {"LD_PRELOAD": machine.library(), "PYTHONDONTWRITEBYTECODE": "1", "PYTHONUNBUFFERED": "1", **more}


def without_times(text):
    """pytest's output without what differs from run to run."""
    text = re.sub(r"in \d+\.\d+s( \(\d+:\d+:\d+\))?", "in T", text)
    text = re.sub(r"=+ (.*) =+", r"= \1 =", text)
    return re.sub(r"0x[0-9a-f]+|\(started daemon \d+\)", "ADDRESS", text)


class Seen:
    """How a program went: status, stdout, stderr, whether a folder was left, whether its monitor ended."""

    def __init__(self, argv, env=None, deadline_s=PATIENCE_S, **more):
        with processes.Program(argv, env, **more) as program:
            self.status = program.wait(deadline_s)
            self.monitor_ended = processes.wait_for_orphans(20)
            self.stdout, self.stderr = program.stdout(), program.stderr()
            self.left = sorted(set(os.listdir(program.folder)) - {"stdout", "stderr"})
            program.end()


class Case(unittest.TestCase):
    maxDiff = None

    def assert_unchanged(self, argv, env=None, options="", said="", **more):
        """The program runs under the shim as without: output, status; nothing is left behind.
        `said`: a regular expression for the one line that may be on its stderr besides."""
        bare_env = dict(PYTHONDONTWRITEBYTECODE="1", PYTHONUNBUFFERED="1", **(env or {}))
        bare = Seen(argv, bare_env, **more)
        watched_env = dict(bare_env, LD_PRELOAD=machine.library(), **({"RACEWATCH_OPTIONS": options} if options else {}))
        watched_env.update(env or {})
        watched = Seen(argv, watched_env, **more)
        self.assertIsNotNone(bare.status, "the program itself does not end")
        stderr = watched.stderr
        if said:
            self.assertRegex(stderr, said)
            stderr = re.sub(r"(?m)^.*(?:%s).*\n" % said, "", stderr, count=1)
        self.assertEqual((watched.status, watched.stdout, stderr), (bare.status, bare.stdout, bare.stderr))
        self.assertTrue(watched.monitor_ended, "the monitor is still there")
        return watched
