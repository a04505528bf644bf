# SPDX-License-Identifier: MIT
"""What is left when somebody ends a run that is stuck, and what `racewatch run` says in the end."""

import glob
import json
import os
import signal
import time

from common import PATIENCE_S, Case, compiled, preload, scenario
from support import incidents, machine, processes

STUCK = "import threading\n\ndef test_stuck():\n    print('stuck', flush=True)\n    threading.Event().wait()\n"
# A program that needs three signals to go, as GitHub's cancelled jobs have it. It says that it is stuck when it is: a thread sees
# its main thread at the last line again and again, though it may have the GIL.
STUBBORN = """
import signal, sys, threading, time
signal.signal(signal.SIGINT, lambda *_: None)
signal.signal(signal.SIGTERM, lambda *_: None)
lock = threading.Lock()
def tell():
    seen = 0
    while seen < 20:
        time.sleep(.01)
        seen = seen + 1 if sys._current_frames()[threading.main_thread().ident].f_lineno == 14 else 0
    print("stuck", flush=True)
threading.Thread(target=tell).start()
lock.acquire()
lock.acquire()
"""


def run(*argv, **more):
    return processes.Program([machine.program(), "run", "--", *argv], **more)


def stuck_suite(program):
    """Until the suite's test is stuck: its own line, not the file's name before it."""
    return program.wait_until(lambda: "stuck\n" in program.stdout(), PATIENCE_S)


class Ending(Case):
    def suite(self):
        with open(os.path.join(self.folder, "test_stuck.py"), "w", encoding="utf-8") as f:
            f.write(STUCK)
        return ["/usr/bin/python3", "-m", "pytest", "-s", "-p", "no:cacheprovider", self.folder]

    def setUp(self):
        self.folder = os.path.join(processes.tempfile.mkdtemp(prefix="racewatch-ending-"))
        self.addCleanup(processes.subprocess.run, ["rm", "-rf", "--", self.folder], check=False)

    def ended_by(self, number, status):
        with run(*self.suite()) as program:
            stuck_suite(program)
            sent = time.monotonic()
            program.kill(number)
            program.wait_until(lambda: incidents.count(program.out), PATIENCE_S)
            self.assertLess(time.monotonic() - sent, 2.5)
            self.assertEqual(program.wait(PATIENCE_S), status)
            found = incidents.all_of(program.out)
            self.assertEqual([i.json["trigger"] for i in found], ["signal"])
            self.assertRegex(found[0].row["test"], "test_stuck")

    def test_sigterm_leaves_one_incident(self):
        self.ended_by(signal.SIGTERM, 143)

    def test_sigint_leaves_one_incident(self):
        self.ended_by(signal.SIGINT, 2)

    def test_its_own_timeout_is_not_taken_for_the_runners(self):
        argv = [machine.program(), "run", "--timeout=3", "--test-timeout=2", "--on-hang=kill", "--", *self.suite()]
        with processes.Program(argv) as program:
            program.wait(PATIENCE_S)
            found = incidents.all_of(program.out)
            self.assertEqual([i.json["trigger_detail"].split(", ")[1] for i in found], ["longer than test_timeout=2"])

    def test_a_cancelled_job_leaves_one_incident(self):
        with run("/usr/bin/python3", "-c", STUBBORN) as program:
            program.wait_until(lambda: "stuck" in program.stdout(), PATIENCE_S)
            program.kill(signal.SIGINT)
            program.wait_until(lambda: incidents.count(program.out), PATIENCE_S)
            program.kill(signal.SIGTERM)
            self.assertIsNone(program.wait(2.5))
            program.kill(signal.SIGKILL)
            program.wait(PATIENCE_S)
            self.assertEqual(len(incidents.all_of(program.out)), 1)

    def test_one_that_was_told_is_not_told_again_when_it_is_killed(self):
        with processes.Program([scenario("c_two_locks")], preload()) as program:
            program.wait_until(lambda: incidents.count(program.out), PATIENCE_S)
            program.kill(signal.SIGTERM)
            program.wait(PATIENCE_S)
            processes.wait_for_orphans(PATIENCE_S)
            self.assertEqual([i.row["class"] for i in incidents.all_of(program.out)], ["cycle"])


class Left(Case):
    def test_what_is_said_in_the_end(self):
        argv = [machine.program(), "run", "--on-hang=kill", "--", scenario("c_two_locks")]
        with processes.Program(argv, {"RACEWATCH_DIR": "left"}) as program:
            self.assertEqual(program.wait(PATIENCE_S), 137)
            self.assertRegex(program.stderr(), r"\Aracewatch: 1 incident: .*[^.]; see left/001-cycle/report\.txt\n\Z")

    def test_a_recording_is_no_longer_than_what_was_used_of_it(self):
        argv = [machine.program(), "run", "--on-hang=kill", "--", scenario("c_two_locks")]
        with processes.Program(argv) as program:
            program.wait(PATIENCE_S)
            kept = glob.glob(program.out + "/recordings/*/*.rec")
            self.assertEqual(len(kept), 1)
            self.assertLess(os.path.getsize(kept[0]), 160 * 1024)

    def test_a_bad_value_is_said_where_the_monitor_can_say_it(self):
        with processes.Program([scenario("c_two_locks")], preload(RACEWATCH_OPTIONS="timeout=abc")) as program:
            program.wait_until(lambda: incidents.count(program.out), PATIENCE_S)
            with open(program.out + "/index.json", encoding="utf-8") as f:
                notes = json.load(f)["notes"]
            self.assertEqual(len(notes), 1)
            self.assertRegex(notes[0], r"timeout.*'abc'.*timeout=300 is used")
            self.assertIn(notes[0], incidents.all_of(program.out)[0].json["notes"])

    def test_a_crash_of_a_program_that_crashes_and_no_process(self):
        for number in (signal.SIGSEGV, signal.SIGABRT):
            with processes.Program([compiled("blocked.c")], preload()) as program:
                program.wait_until(lambda: "ready" in program.stdout(), PATIENCE_S)
                program.kill(number)
                self.assertEqual(program.wait(PATIENCE_S), -number)
                self.assertTrue(processes.wait_for_orphans(PATIENCE_S))
                self.assertEqual([i.row["class"] for i in incidents.all_of(program.out)], ["crash"])
