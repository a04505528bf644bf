# SPDX-License-Identifier: MIT
"""racewatch hunt: what it counts, says, keeps and returns. How well it finds races is for tests/races."""

import json
import os
import signal
import tempfile

from common import PATIENCE_S, Case, Seen, compiled
from support import machine, processes

TESTS = os.path.join(machine.ROOT, "tests")
RACES = os.path.join(TESTS, "races", "programs")

# Fails where the schedule is bent, and nowhere else: what is bent has a place in the tree of processes.
ONLY_BENT = 'test -z "$RACEWATCH_PLACE"'


def hunt(*argv):
    return [machine.program(), "hunt", *argv]


class Hunt(Case):
    def seen(self, *argv, **more):
        seen = Seen(hunt(*argv), **more)
        self.assertTrue(seen.monitor_ended, "something still runs")
        return seen

    def found(self, *argv):
        """(standard output's lines, hunt.json, names in the folder)"""
        with processes.Program(hunt(*argv)) as program:
            self.assertEqual(program.wait(PATIENCE_S), 1, program.stderr())
            with open(program.out + "/hunt.json", encoding="utf-8") as f:
                return program.stdout().splitlines(), json.load(f), sorted(os.listdir(program.out))

    def test_a_failure_is_counted_in_both_kinds_of_runs(self):
        lines, told, names = self.found("--runs", "5", "--plain", "4", "--seed", "11", "--", "sh", "-c", ONLY_BENT)
        self.assertEqual(lines[0], "sh fails (exit status 1) with seed 11: 5 of 5 perturbed runs, 0 of 4 plain runs; "
                                   "again in 10 of 10 runs of racewatch run --seed 11 -- sh -c '%s'" % ONLY_BENT)
        self.assertEqual((told["perturbed"], told["plain"], len(told["failures"])), (5, 4, 1))
        self.assertEqual((told["failures"][0]["perturbed"], told["failures"][0]["plain"]), (5, 0))
        self.assertEqual((told["failures"][0]["reruns"], told["failures"][0]["rerun_failures"]), (10, 10))
        self.assertEqual(names, ["hunt-001-exit", "hunt.json"])

    def test_what_it_leaves_is_for_its_user_alone(self):
        with processes.Program(hunt("--runs", "2", "--again", "1", "--", "false")) as program:
            self.assertEqual(program.wait(PATIENCE_S), 1, program.stderr())
            left = [os.path.join(folder, name) for folder, _, names in os.walk(program.out) for name in names]
            self.assertIn(program.out + "/hunt.json", left)
            self.assertEqual([path for path in left if os.stat(path).st_mode & 0o077], [])

    def test_what_always_fails_is_no_find_of_the_hunt(self):
        raises = "import os; raise KeyError('%d at %#x' % (os.getpid(), id(os)))"
        lines, told, _ = self.found("--runs", "3", "--again", "2", "--", "/usr/bin/python3", "-c", raises)
        self.assertRegex(lines[0], r"^python3 fails \(exit status 1, KeyError: .*\) with seed 1: 3 of 3 perturbed runs, "
                                   "3 of 3 plain runs; ")
        self.assertEqual(len(told["failures"]), 1, "numbers that differ make no other failure")

    def test_two_ways_to_fail_are_two(self):
        ways = "test -z \"$RACEWATCH_PLACE\" || case $RACEWATCH_OPTIONS in *seed=[13]*) exit 3;; *) kill -SEGV $$;; esac"
        lines, told, names = self.found("--runs", "5", "--plain", "0", "--again", "0", "--", "sh", "-c", ways)
        self.assertEqual([(f["seed"], f["perturbed"]) for f in told["failures"]], [(2, 3), (1, 2)])
        self.assertRegex(told["failures"][0]["sentence"], r"^Process \d+ dies of SIGSEGV ")
        self.assertEqual(told["failures"][1]["sentence"], "exit status 3")
        self.assertEqual(sum("; to try it again: racewatch run --seed " in line for line in lines), 2)
        self.assertEqual(names, ["hunt-001-crash", "hunt-001-exit", "hunt.json"])

    def test_nothing_found_leaves_nothing(self):
        seen = self.seen("--runs", "3", "--seed", "5", "true")
        self.assertEqual((seen.status, seen.left), (0, []))
        self.assertEqual(seen.stdout, "nothing found in 3 perturbed runs (seeds 5 to 7) and 3 plain runs of true\n")

    def test_a_folder_that_was_there_stays(self):
        with tempfile.TemporaryDirectory(prefix="racewatch-test-") as folder:
            seen = self.seen("--runs", "1", "--plain", "0", "--out", folder, "true")
            self.assertEqual(seen.status, 0)
            self.assertEqual(os.listdir(folder), [])

    def test_a_deadlock_is_made_ended_and_reported(self):
        with processes.Program(hunt("--runs", "400", "--plain", "2", "--first", "--", compiled(os.path.join(RACES, "opposite_orders.c")))) as program:
            self.assertEqual(program.wait(4 * PATIENCE_S), 1, program.stderr())
            lines = program.stdout().splitlines()
            self.assertRegex(lines[0], r"^opposite_orders_c hangs \(cycle: Deadlock: .*[^.]\) with seed \d+: 1 of \d+ "
                                       r"perturbed runs, 0 of \d plain runs?; again in \d+ of \d+ runs of racewatch run --seed \d+ -- ")
            report = lines[1].split("report: ")[1]
            with open(report, encoding="utf-8") as f:
                self.assertIn("racewatch: cycle", f.read())

    def test_delays_come_after_a_lock_was_given_back(self):
        with processes.Program(hunt("--runs", "400", "--plain", "1", "--first", "--again", "0", "--", compiled("after.c"), "rwlock")) as program:
            self.assertEqual(program.wait(4 * PATIENCE_S), 1, program.stdout() + program.stderr())

    def test_what_fails_seldom_is_said_to_fail_seldom(self):
        with tempfile.TemporaryDirectory() as folder:
            counter = os.path.join(folder, "runs")
            seldom = "echo >> %s; case $(wc -l < %s) in 1|4) exit 1;; esac" % (counter, counter)
            lines, told, _ = self.found("--runs", "2", "--plain", "0", "--again", "4", "--", "sh", "-c", seldom)
        self.assertIn("; again in 1 of 4 runs of racewatch run --seed 1 -- ", lines[0])
        self.assertEqual(told["failures"][0]["rerun_failures"], 1)

    def minimised(self, argv, status):
        """(the line about the switches, the failure of hunt.json); the kept choices alone fail, in each of five replays."""
        with processes.Program(hunt("--perturb", "serial", "--runs", "100", "--plain", "0", "--first", "--again", "1", "--",
                                    *argv)) as program:
            self.assertEqual(program.wait(4 * PATIENCE_S), 1, program.stderr())
            with open(program.out + "/hunt.json", encoding="utf-8") as f:
                failure = json.load(f)["failures"][0]
            self.assertEqual((failure["reruns"], failure["rerun_failures"]), (1, 1))
            for _ in range(5):
                self.assertEqual(self.replayed(failure["minimal"], argv), status)
            return next(line for line in program.stdout().splitlines() if "preemption" in line), failure

    def replayed(self, path, argv):
        with processes.Program([machine.program(), "run", "--on-hang=kill", "--replay=" + path, "--", *argv],
                               {"PYTHONHASHSEED": "0"}) as program:
            status = program.wait(PATIENCE_S)
            self.assertNotIn("the replay", program.stderr())
            return status

    def test_a_race_in_c_takes_few_switches(self):
        argv = [compiled(os.path.join(RACES, "check_then_act.c"))]
        line, failure = self.minimised(argv, 1)
        self.assertRegex(line, r"^  [12] preemptions?: ")
        self.assertIn("check_then_act.c:", " ".join(s["place"] for s in failure["switches"]))
        self.assertEqual([s["thread"] for s in failure["switches"] if not s["thread"].startswith(("main thread", "thread "))], [])
        self.assertLessEqual(len(failure["switches"]), 3)

    def test_a_deadlock_in_python_takes_few_switches(self):
        path = os.path.join(RACES, "opposite_orders.py")
        line, failure = self.minimised(["/usr/bin/python3", path], 137)
        self.assertRegex(line, r"^  [1-4] preemptions?: ")
        places = [s["place"] for s in failure["switches"] if s["is_preemption"]]
        self.assertTrue(any("opposite_orders.py:" in place and place.endswith(" in move") for place in places), places)
        self.assertIn("'Thread-", " ".join(s["thread"] for s in failure["switches"]))

    def candidates(self, *command, runs="30"):
        """(standard output, hunt.json) of a hunt that knows of lock orders."""
        with processes.Program(hunt("--runs", runs, "--plain", "1", "--first", "--again", "0", "--", *command),
                               {"RACEWATCH_OPTIONS": "lock_order=1"}) as program:
            self.assertEqual(program.wait(4 * PATIENCE_S), 1, program.stderr())
            with open(program.out + "/hunt.json", encoding="utf-8") as f:
                return program.stdout(), json.load(f)

    def is_confirmed(self, said, told, *places):
        order, = told["lock_orders"]
        self.assertTrue(order["confirmed"], said)
        for place in places:
            self.assertTrue(any(place in p for p in order["places"]), order)
        self.assertRegex(said, r"\n  lock order, at .*: confirmed: hung in run \d+, seed %d\n" % order["seed"])
        hang, = [f for f in told["failures"] if f["class"] == "cycle"]
        self.assertIn(" --steer ", hang["again"])

    def test_a_lock_order_is_made_a_deadlock(self):
        said, told = self.candidates(compiled("rare_orders.c"))
        self.is_confirmed(said, told, "in left_first", "in right_first")

    def test_an_order_of_python_locks_is_made_a_deadlock(self):
        said, told = self.candidates("/usr/bin/python3", os.path.join(RACES, "opposite_orders.py"))
        self.is_confirmed(said, told, "opposite_orders.py:22 in move")

    def test_an_order_of_the_gil_is_made_a_deadlock(self):
        extension = compiled(os.path.join(TESTS, "lock_order/extension.c"), "-shared", "-fPIC")
        said, told = self.candidates("/usr/bin/python3", os.path.join(TESTS, "lock_order/gil.py"), extension, runs="100")
        self.is_confirmed(said, told, "in call_back", "in count")

    def test_a_ring_with_the_gil_is_one_failure_wherever_the_gil_is_asked_for(self):
        extension = compiled(os.path.join(TESTS, "lock_order/extension.c"), "-shared", "-fPIC")
        with tempfile.NamedTemporaryFile() as runs:
            lines, told, _ = self.found("--runs", "2", "--plain", "0", "--again", "0", "--", "/usr/bin/python3",
                                        os.path.join(TESTS, "acceptance/programs/gil_ring.py"), extension, runs.name)
        self.assertEqual([(f["class"], f["perturbed"]) for f in told["failures"]], [("cycle", 2)], lines)

    def test_what_cannot_meet_is_not_confirmed(self):
        kernels, *others = (os.path.join(TESTS, "lock_order", name) for name in ("kernels.c", "told.c", "pipes.c"))
        said, told = self.candidates(compiled(kernels, *others, name="kernels_c"), "opposite", runs="4")
        self.assertEqual([(order["confirmed"], order["runs"]) for order in told["lock_orders"]], [(False, 4)])
        self.assertRegex(said, r"kernels_c races \(lock-order: (.*\n)*.*: not confirmed in 4 runs\n")

    def test_a_hang_that_no_rule_explains_is_ended_and_told_by_its_report(self):
        with tempfile.TemporaryDirectory(prefix="racewatch-hunt-") as folder:
            fifo = os.path.join(folder, "fifo")
            os.mkfifo(fifo)
            said, told, _ = self.found("--runs", "1", "--plain", "1", "--again", "0", "--", "sh", "-c",
                                    'test -z "$RACEWATCH_PLACE" || read line < ' + fifo)
        self.assertEqual([f["class"] for f in told["failures"]], ["unknown"], said)

    def test_minimising_that_ends_early_says_so(self):
        lines, told, _ = self.found("--perturb", "serial", "--runs", "100", "--plain", "0", "--first", "--again", "0",
                                    "--minimise", "2", "--", compiled(os.path.join(RACES, "check_then_act.c")))
        words = "perhaps fewer are enough: minimising ended after 2 runs, as many as it may make"
        self.assertEqual(told["failures"][0]["unminimised"], words, lines)
        self.assertIn("  " + words, lines)

    def test_of_several_processes_one_is_minimised_and_that_is_said(self):
        race = compiled(os.path.join(RACES, "check_then_act.c"))
        each = "for i in 1 2; do %s || lost=1$lost; done; test \"$lost\" != 11" % race
        lines, told, _ = self.found("--perturb", "serial", "--runs", "300", "--plain", "0", "--first", "--again", "0", "--",
                                    "sh", "-c", each)
        self.assertRegex(told["failures"][0]["unminimised"], "^these are of one process alone: 2 have switches, ", lines)

    def test_an_interrupt_ends_it_with_the_summary(self):
        sleeps = 'test -z "$RACEWATCH_PLACE" || exec sleep 1000'
        with processes.Program(hunt("--", "sh", "-c", sleeps)) as program:
            program.wait_until(lambda: "1 plain" in program.stderr(), PATIENCE_S)
            program.kill(signal.SIGINT)
            self.assertEqual(program.wait(PATIENCE_S), 130)
            self.assertRegex(program.stdout(), "^nothing found in 0 perturbed runs .* and 1 plain run of sh\n$")
            self.assertTrue(processes.wait_for_orphans(PATIENCE_S), "the run goes on")

    def test_usage(self):
        for argv in ((), ("--runs", "many", "true"), ("--for", "soon", "true"), ("--perturb", "shake", "true"), ("--no-such",)):
            self.assertEqual(self.seen(*argv).status, 2, argv)
        seen = self.seen("--runs", "2", "no-such-program-here")
        self.assertEqual(seen.status, 125)
        self.assertRegex(seen.stderr, r"racewatch hunt: no-such-program-here cannot be run\n$")
