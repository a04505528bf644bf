# SPDX-License-Identifier: MIT
"""What tests leave behind, and the later test that hangs on it."""

import os
import signal

from common import PATIENCE_S, Case, preload
from support import incidents, machine, processes
from test_post_mortem import blocked, racewatch

PYTHON = "/usr/bin/python3"
PYTEST = [PYTHON, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
QUIET = {"PYTHONDONTWRITEBYTECODE": "1"}
NEVER = '"import threading; threading.Event().wait()"'

CLEAN = """
import os, subprocess, tempfile, threading

def test_joins():
    thread = threading.Thread(target=int)
    thread.start()
    thread.join()

def test_closes():
    for end in os.pipe():
        os.close(end)
    with tempfile.TemporaryFile():
        pass

def test_waits():
    subprocess.run(["true"], check=True)
"""

# Between them a clean test: what is left is the one's that made it.
BETWEEN = """
def test_between():
    for end in os.pipe():
        os.close(end)
"""

THREAD = """
import os, threading
lock, never, held = threading.Lock(), threading.Event(), threading.Event()

def keep():
    with lock:
        held.set()
        never.wait()

def test_leaves():
    threading.Thread(target=keep, name="keeper", daemon=True).start()
    held.wait()
""" + BETWEEN + """
def test_hangs():
    lock.acquire()
"""

CHILD = """
import os, subprocess, sys
left = []

def test_leaves():
    left.append(subprocess.Popen([sys.executable, "-c", %s]))
""" % NEVER + BETWEEN + """
def test_hangs():
    left[0].wait()
"""

PIPE = """
import os
left = []

def test_leaves():
    left.extend(os.pipe())
""" + BETWEEN + """
def test_hangs():
    while os.read(left[0], 100):
        pass
"""

# The child alone has the other end.
PIPE_OF_CHILD = """
import os, subprocess, sys
left = []

def test_leaves():
    end, other = os.pipe()
    left.append(end)
    subprocess.Popen([sys.executable, "-c", %s], pass_fds=[other])
    os.close(other)
""" % NEVER + BETWEEN + """
def test_hangs():
    os.read(left[0], 1)
"""

CLOSED = """
import os, threading
left = []

def test_leaves():
    left.extend(os.pipe())

def test_hangs():
    for end in left:
        os.close(end)
    threading.Event().wait()
"""

# What has the number when it hangs is another one, and the hanging test's own.
REOPENED = """
import fcntl, os
left = []

def test_leaves():
    left.append(os.open("lock", os.O_RDWR | os.O_CREAT))

def test_closes():
    os.close(left[0])

def test_hangs():
    own, again = os.open("lock", os.O_RDWR), os.open("lock", os.O_RDWR)
    assert own == left[0]
    fcntl.flock(own, fcntl.LOCK_EX)
    fcntl.flock(again, fcntl.LOCK_EX)
"""

# The lock goes with the descriptor, which nobody has a hand on any more.
LOCKED = """
import fcntl, os

def test_leaves():
    fcntl.flock(os.open("lock", os.O_RDWR | os.O_CREAT), fcntl.LOCK_EX)
""" + BETWEEN + """
def test_hangs():
    fcntl.flock(os.open("lock", os.O_RDWR), fcntl.LOCK_EX)
"""

SOCKETS = """
import socket
left = []

def test_leaves():
    left.extend(socket.socketpair())
""" + BETWEEN + """
def test_hangs():
    left[0].recv(1)
"""

# All of it, and no hang. The last test waits for nothing: what it leaves is seen at the end.
LEAVES = """
import os, subprocess, threading
import _xxsubinterpreters as interpreters
left = []

def test_clean():
    pass

def test_thread():
    threading.Thread(target=threading.Event().wait, daemon=True).start()

def test_interpreter():
    left.append(interpreters.create())

def test_descriptors():
    left.extend(os.open("/dev/null", os.O_RDONLY) for _ in range(10))

def test_child():
    left.append(subprocess.Popen(["sleep", "2"]))
"""

# The last test waits until `racewatch run`, its parent, has had a child that ended: the look for the name. Of its children that
# it has waited for, /proc/PID/stat counts the page faults (cminflt).
NAMED = """
import os, threading

def test_leaves():
    threading.Thread(target=threading.Event().wait, name="heartbeat", daemon=True).start()

def test_goes_on():
    faults = 0
    while not faults:
        os.sched_yield()
        with open("/proc/%d/stat" % os.getppid()) as f:
            faults = int(f.read().rsplit(")", 1)[1].split()[8])
"""

KILLED = """
import os, subprocess, sys, threading
left, lock, held, never = [], threading.Lock(), threading.Event(), threading.Event()

def keep():
    with lock:
        held.set()
        never.wait()

def test_thread():
    threading.Thread(target=keep, daemon=True).start()
    held.wait()

def test_child():
    left.append(subprocess.Popen([sys.executable, "-c", "open('child', 'w').close(); import threading; threading.Event().wait()"]))

def test_pipe():
    left.append(os.pipe())
""" + BETWEEN + """
def test_hangs():
    while not os.path.exists("child"):
        os.sched_yield()
    open("ready", "w").close()
    lock.acquire()
"""

# Faster than anybody could take down.
MANY = """
import threading, pytest
never = threading.Event()

@pytest.mark.parametrize("i", range(400))
def test_leaves(i):
    threading.Thread(target=never.wait, daemon=True).start()
"""

IN_UNITTEST = """
import os, unittest

class Leaves(unittest.TestCase):
    def test_leaves(self):
        os.pipe()

unittest.main()
"""


# The suite's text comes first, and then what is to be run in the folder with it.
SHELL = 'printf %s "$1" >test_suite.py && shift && exec "$@"'


class Accounts(Case):
    def run_suite(self, text, *options, runner=(), argv=None):
        """`racewatch run` to its end. The Program's folder stays until the test is over."""
        argv = ["sh", "-c", SHELL, "sh", text, machine.program(), "run", *options, "--",
                *(argv or [*PYTEST, *runner, "test_suite.py"])]
        program = processes.Program(argv, QUIET)
        self.addCleanup(program.__exit__, None, None, None)
        self.status = program.wait(PATIENCE_S)
        return program

    def hang(self, text, *runner):
        program = self.run_suite(text, "--test-timeout=2", "--on-hang=kill", runner=runner)
        found = incidents.all_of(program.out)
        self.assertTrue(found, program.stderr())
        return program, found[0]

    def left(self, program):
        return {entry["test"].split("::")[1]: entry for entry in incidents.index(program.out)["tests"]}

    def test_a_thread(self):
        program, incident = self.hang(THREAD)
        self.assertRegex(incident.verdict["sentence"], r"'keeper' \(tid \d+\) was left by test_suite.py::test_leaves\.")
        self.assertIn("was left by test_suite.py::test_leaves; test_suite.py::test_hangs hangs on it", incident.answer())
        left = self.left(program)
        self.assertEqual(list(left), ["test_leaves"])
        account = left["test_leaves"]
        self.assertEqual([t["name"] for t in account["left_threads"]], ["keeper"])
        self.assertEqual(account["threads_end"], account["threads_begin"] + 1)
        self.assertEqual(account["descriptors_end"], account["descriptors_begin"])
        self.assertRegex(incident.text, r"(?m)^What tests left behind\n-+\n  test_suite.py::test_leaves: thread 'keeper' \(tid \d+\); "
                                        r"threads 1 to 2$")

    def test_a_child(self):
        program, incident = self.hang(CHILD)
        self.assertRegex(incident.answer(), r"process \d+ \(python3[.\d]*\) was left by test_suite.py::test_leaves; "
                                            r"test_suite.py::test_hangs hangs on it")
        left = self.left(program)
        self.assertEqual(list(left), ["test_leaves"])
        child = next(p for p in incident.json["processes"] if p.get("started_in_test"))
        self.assertEqual([c["pid"] for c in left["test_leaves"]["left_children"]], [child["pid"]])

    def test_the_other_end_of_a_pipe(self):
        program, incident = self.hang(PIPE)
        self.assertEqual(incident.verdict["class"], "pipe")
        self.assertRegex(incident.verdict["sentence"],
                         r"; fd \d+ \(pipe:\[\d+\], to write\) was left by test_suite.py::test_leaves\.$")
        left = self.left(program)
        self.assertEqual(list(left), ["test_leaves"])
        self.assertEqual([d["access"] for d in left["test_leaves"]["left_descriptors"]], ["read", "write"])

    def test_a_child_that_has_the_other_end(self):
        program, incident = self.hang(PIPE_OF_CHILD)
        self.assertRegex(incident.answer(), r"process \d+ \(python3[.\d]*\) was left by test_suite.py::test_leaves; "
                                            r"test_suite.py::test_hangs hangs on it")
        account = self.left(program)["test_leaves"]
        self.assertEqual(len(account["left_children"]), 1)
        self.assertEqual([d["access"] for d in account["left_descriptors"]], ["read"])

    def test_what_was_closed_since_is_not_told(self):
        _, incident = self.hang(CLOSED)
        self.assertNotIn("was left by", incident.answer())
        self.assertEqual(incident.json["processes"][0]["tests"], [])

    def test_a_number_that_is_used_again_is_not_told(self):
        _, incident = self.hang(REOPENED)
        self.assertNotIn("was left by", incident.answer())
        self.assertEqual(incident.json["processes"][0]["tests"], [])

    def test_a_file_lock(self):
        _, incident = self.hang(LOCKED)
        self.assertRegex(incident.answer(), r"fd \d+ \(/.*/lock\) was left by test_suite.py::test_leaves; "
                                            r"test_suite.py::test_hangs hangs on it")

    def test_the_other_end_of_a_socket(self):
        _, incident = self.hang(SOCKETS)
        self.assertRegex(incident.answer(), r"fd \d+ \(socket:\[\d+\]\) was left by test_suite.py::test_leaves; "
                                            r"test_suite.py::test_hangs hangs on it")

    def test_workers_have_accounts_of_their_own(self):
        if not machine.python_has(PYTHON, "xdist"):
            self.skipTest("python3-pytest-xdist is not installed")
        argv = ["sh", "-c", SHELL, "sh", THREAD, machine.program(), "run", "--test-timeout=2", "--", *PYTEST, "-p", "xdist", "-n", "2",
                "--dist=each", "test_suite.py"]
        with processes.Program(argv, QUIET) as program:
            program.wait_until(lambda: incidents.count(program.out), PATIENCE_S)
            incident, told = incidents.all_of(program.out)[0], incidents.index(program.out)["tests"]
        self.assertIn("was left by test_suite.py::test_leaves; test_suite.py::test_hangs hangs on it", incident.answer())
        self.assertEqual({(t["test"], t["worker"]) for t in told},
                         {("test_suite.py::test_leaves", "gw0"), ("test_suite.py::test_leaves", "gw1")})
        self.assertEqual(len({t["pid"] for t in told}), 2)

    def test_a_clean_suite_leaves_no_account(self):
        for options in [], ["--accounts"], ["--accounts", "--keep=always"]:
            with self.subTest(options=options):
                program = self.run_suite(CLEAN, *options)
                self.assertEqual((self.status, program.stderr()), (0, ""))
                self.assertEqual((incidents.index(program.out) or {"tests": []})["tests"], [])
                self.assertEqual(os.path.exists(program.out), "--keep=always" in options)

    def test_what_a_passing_suite_leaves_is_told_to_who_asks(self):
        program = self.run_suite(LEAVES)
        self.assertEqual((self.status, program.stderr()), (0, ""))
        self.assertFalse(os.path.exists(program.out))

        program = self.run_suite(LEAVES, "--accounts")
        self.assertEqual(self.status, 0)
        self.assertRegex(program.stderr(), r"^racewatch: 4 tests left something behind; see out/index.json\n$")
        self.assertEqual(os.listdir(program.out), ["index.json"])
        left = self.left(program)
        self.assertEqual(sorted(left), ["test_child", "test_descriptors", "test_interpreter", "test_thread"])
        self.assertEqual(len(left["test_thread"]["left_threads"]), 1)
        self.assertEqual(len(left["test_interpreter"]["left_interpreters"]), 1)
        self.assertEqual(len(left["test_descriptors"]["left_descriptors"]), 8)
        self.assertEqual(left["test_descriptors"]["not_told"], 2)
        self.assertEqual([c["name"] for c in left["test_child"]["left_children"]], ["sleep"])
        told = racewatch("report", program.out)
        self.assertEqual((told.returncode, told.stderr), (0, ""))
        self.assertRegex(told.stdout, r"(?m)^What tests left behind$")
        self.assertRegex(told.stdout, r"(?m)^  test_suite.py::test_child: process \d+ \(sleep\)$")

    def test_the_names_that_python_gave_are_told_without_a_hang(self):
        program = self.run_suite(NAMED, "--accounts")
        self.assertEqual(self.status, 0)
        self.assertEqual([t["name"] for t in self.left(program)["test_leaves"]["left_threads"]], ["heartbeat"])

    def test_none_is_lost_without_a_word(self):
        program = self.run_suite(MANY, "--accounts")
        self.assertEqual((self.status, program.stderr()), (0, "racewatch: 400 tests left something behind; see out/index.json\n"))
        index = incidents.index(program.out)
        told = len(index["tests"])
        self.assertGreaterEqual(told, 32)
        self.assertEqual(len({entry["test"] for entry in index["tests"]}), told)
        if told < 400:
            self.assertRegex(index["notes"][0], "^%d more tests left something behind" % (400 - told))

    def test_a_bare_preload_tells_too(self):
        with processes.Program(["sh", "-c", SHELL, "sh", LEAVES, *PYTEST, "-k", "thread or clean", "test_suite.py"],
                               preload(RACEWATCH_OPTIONS="accounts=1")) as program:
            self.assertEqual(program.wait(PATIENCE_S), 0)
            self.assertTrue(processes.wait_for_orphans(20), "the monitor is still there")
            self.assertEqual(list(self.left(program)), ["test_thread"])

    def test_after_a_kill_of_everything(self):
        with processes.Program(["sh", "-c", SHELL, "sh", KILLED, *PYTEST, "test_suite.py"], preload()) as program:
            program.wait_until(lambda: os.path.exists(os.path.join(program.folder, "ready")), PATIENCE_S)
            end = processes.time.monotonic() + PATIENCE_S
            while not blocked(program.pid) and processes.time.monotonic() < end:
                os.sched_yield()
            for pid in processes.descendants():
                os.kill(pid, signal.SIGKILL)
            program.wait(PATIENCE_S)
            self.assertTrue(processes.wait_for_orphans(20))
            told = racewatch("report", program.out)
        self.assertEqual((told.returncode, told.stderr), (0, ""))
        self.assertIn("was left by test_suite.py::test_thread; test_suite.py::test_hangs hangs on it",
                      " ".join(told.stdout.split()))
        for line in (r"test_thread: thread \d+; threads 1 to 2", r"test_child: process \d+ \(python3[.\d]*\)",
                     r"test_pipe: fd \d+ \(pipe:\[\d+\], to read\), fd \d+ \(pipe:\[\d+\], to write\)"):
            self.assertRegex(told.stdout, "  test_suite.py::" + line)
        self.assertNotIn("test_between: ", told.stdout)

    def test_unittest_names_no_tests(self):
        program = self.run_suite(IN_UNITTEST, "--accounts", argv=[PYTHON, "test_suite.py"])
        self.assertEqual(self.status, 0)
        self.assertFalse(os.path.exists(program.out))
