# SPDX-License-Identifier: MIT
"""racewatch isolate: does the test hang by itself, or after which others?"""

import contextlib
import os
import re
import tempfile

from common import Case
from support import machine, processes

PATIENCE_S = 240
PYTEST = ["/usr/bin/python3", "-m", "pytest", "-p", "no:cacheprovider"]
OPTIONS = {"RACEWATCH_OPTIONS": "test_timeout=2", "PYTHONDONTWRITEBYTECODE": "1"}

# Hangs only after what keeps the lock; the ids hold what a shell or a careless reader takes apart.
KEEPER = """
import threading, pytest
lock, never, held = threading.Lock(), threading.Event(), threading.Event()

def keep():
    with lock:
        held.set()
        never.wait()

@pytest.mark.parametrize("word", ["a b", "c[d]::e", "it's"])
def test_before(word):
    pass

def test_leaves():
    threading.Thread(target=keep, name="keeper", daemon=True).start()
    held.wait()

def test_between():
    pass

@pytest.mark.parametrize("word", ["x y", "z[0]"])
def test_needs(word):
    if word == "z[0]":
        lock.acquire()
        lock.release()

def test_behind():
    pass
"""

ALONE = """
import threading

def test_before():
    pass

def test_hangs():
    lock = threading.Lock()
    lock.acquire()
    lock.acquire()
"""

# Two of three are needed: only both together leave no token.
TOGETHER = """
import threading
tokens = threading.Semaphore(2)

def test_takes_one():
    tokens.acquire()

def test_between():
    pass

def test_takes_another():
    tokens.acquire()

def test_needs_one():
    tokens.acquire()
    tokens.release()
"""

# Hangs while a file is not there, which the first run makes.
ONCE = """
import os, threading

def test_once():
    if not os.path.exists("was-here"):
        open("was-here", "w").close()
        lock = threading.Lock()
        lock.acquire()
        lock.acquire()
"""


class Isolate(Case):
    @contextlib.contextmanager
    def suite(self, text, *argv, where="test_suite.py", before=(), env=None):
        """isolate, run in a folder with this suite; yields (exit status, stdout's lines, stderr, program)."""
        script = 'mkdir -p "$(dirname "$1")" && printf %s "$2" >"$1" && cd "$3" && shift 3 && exec "$@"'
        folder = os.path.dirname(where) or "."
        argv = ["sh", "-c", script, "sh", where, text, folder, machine.program(), "isolate", *before, "--",
                *(argv or PYTEST)]
        with processes.Program(argv, dict(OPTIONS, **(env or {}))) as program:
            status = program.wait(PATIENCE_S)
            yield status, program.stdout().splitlines(), program.stderr(), program
            self.assertTrue(processes.wait_for_orphans(20), "something still runs")

    def test_one_predecessor_is_named_with_what_it_leaves(self):
        with self.suite(KEEPER) as (status, lines, said, program):
            self.assertEqual(status, 0, said)
            self.assertEqual(lines[0], "test_suite.py::test_needs[z[0]] hangs only after test_suite.py::test_leaves, which "
                                       "leaves thread 'keeper' (3 of 3 runs; 0 of 3 alone)")
            self.assertRegex(lines[1], r"^again: racewatch run -- .* test_suite.py::test_leaves "
                                       r"'test_suite.py::test_needs\[z\[0\]\]'$")
            report = re.match("report: (.*)", lines[2]).group(1)
            with open(report, encoding="utf-8") as f:
                self.assertIn("was left by test_suite.py::test_leaves", " ".join(f.read().split()))
            self.assertRegex(said, r"try 1: the command as it is: hung after")
            self.assertIn("6 tests come before it", said)

    def test_a_test_that_hangs_alone(self):
        with self.suite(ALONE) as (status, lines, said, _):
            self.assertEqual(status, 0, said)
            self.assertEqual(lines[0], "test_suite.py::test_hangs hangs alone (3 of 3 runs)")

    def test_two_that_are_needed_together(self):
        with self.suite(TOGETHER, before=["--tries=1"]) as (status, lines, said, _):
            self.assertEqual(status, 0, said)
            self.assertEqual(lines[0], "test_suite.py::test_needs_one hangs only after 2 others together (1 of 1 runs; "
                                       "0 of 1 alone)")
            self.assertEqual(lines[1:3], ["  test_suite.py::test_takes_one", "  test_suite.py::test_takes_another"])

    def test_what_does_not_happen_again_is_said(self):
        with self.suite(ONCE, before=["--tries=2"]) as (status, lines, said, _):
            self.assertEqual(status, 1, said)
            self.assertEqual(lines, ["test_suite.py::test_once could not be made to hang again: 0 of 2 runs alone, 0 of 0 "
                                     "after the 0 tests before it"])

    def test_a_folder_that_was_there_stays(self):
        with tempfile.TemporaryDirectory(prefix="racewatch-test-") as folder:
            with self.suite("def test_well(): pass\n", before=["--out=" + folder]) as (status, _, said, _):
                self.assertEqual(status, 1, said)
                self.assertEqual(os.listdir(folder), [])

    def test_a_suite_that_does_not_hang_leaves_nothing(self):
        with self.suite("def test_well(): pass\n") as (status, lines, said, program):
            self.assertEqual((status, lines), (1, ["nothing hung; the command ended with status 0"]), said)
            self.assertFalse(os.path.exists(program.out))

    def test_selecting_and_parallel_options_are_left_out(self):
        argv = [*PYTEST, "-xv", "-n2", "-k", "leaves or needs", "-m", "not slow", "--dist=load", "test_suite.py"]
        with self.suite(KEEPER, *argv, before=["--tries=1"]) as (status, lines, said, _):
            self.assertIn("without xdist", said)
            self.assertEqual(status, 0, said)
            again = lines[1]
            self.assertIn("hangs only after test_suite.py::test_leaves", lines[0])
            for word in (" -k", " -m not", "-n2", "--dist", " -x ", "leaves or needs"):
                self.assertNotIn(word, again)
            self.assertIn(" -v ", again)

    def test_ids_are_found_from_a_folder_below_the_root(self):
        with self.suite(ALONE, *PYTEST, "--rootdir=..", where="below/test_suite.py", before=["--tries=1"]) as (
                status, lines, said, _):
            self.assertEqual(status, 0, said)
            self.assertEqual(lines[0], "below/test_suite.py::test_hangs hangs alone (1 of 1 runs)")
            self.assertIn(" ../below/test_suite.py::test_hangs", lines[1])

    def test_a_report_that_is_there_saves_the_first_run(self):
        first = [machine.program(), "run", "--on-hang=kill", "--dir=before", "--", *PYTEST, "-q"]
        script = 'printf %%s "$0" >test_suite.py; "$@"; exec "$1" isolate --tries=1 --from=before -- %s' % " ".join(PYTEST)
        with processes.Program(["sh", "-c", script, ALONE, *first], OPTIONS) as program:
            status = program.wait(PATIENCE_S)
            self.assertEqual(status, 0, program.stderr())
            self.assertIn("test_suite.py::test_hangs hangs alone (1 of 1 runs)", program.stdout())
            self.assertNotIn("the command as it is", program.stderr())

    def test_the_time_limit_ends_it_and_is_said(self):
        with self.suite("def test_sleeps():\n    import time; time.sleep(3600)\n", before=["--for=5"]) as (
                status, lines, said, _):
            self.assertEqual(status, 1, said)
            self.assertEqual(lines, ["the time is over before the test could be tried alone (--for)"])

    def test_a_command_that_pytest_refuses_is_no_answer(self):
        with self.suite(ALONE, *PYTEST, "--no-such-option") as (status, lines, said, _):
            self.assertEqual((status, lines), (125, []))
            self.assertRegex(said, r"pytest ended with status 4 and ran no test: see \S+/try-001/stdout")

    def test_another_runner_is_refused(self):
        with self.suite("", "make", "test") as (status, _, said, _):
            self.assertEqual(status, 2)
            self.assertIn("make does not run pytest as far as can be seen", said)
