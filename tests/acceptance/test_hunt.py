# SPDX-License-Identifier: MIT
"""racewatch hunt: what it counts, says, keeps and returns. How well it finds races is for tests/races."""

import json
import os
import signal

from common import PATIENCE_S, Case, Seen, compiled
from support import machine, processes

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
        self.assertEqual(lines[0], "sh fails (exit status 1) with seed 11: 5 of 5 perturbed runs, 0 of 4 plain ones; "
                                   "racewatch run --seed 11 -- sh -c '%s' does it again" % ONLY_BENT)
        self.assertEqual((told["perturbed"], told["plain"], len(told["failures"])), (5, 4, 1))
        self.assertEqual((told["failures"][0]["perturbed"], told["failures"][0]["plain"]), (5, 0))
        self.assertEqual(names, ["hunt-001-exit", "hunt.json"])

    def test_what_always_fails_is_no_find_of_the_hunt(self):
        raises = "import os; raise KeyError('%d at %#x' % (os.getpid(), id(os)))"
        lines, told, _ = self.found("--runs", "3", "--", "/usr/bin/python3", "-c", raises)
        self.assertRegex(lines[0], r"^python3 fails \(exit status 1, KeyError: .*\) with seed 1: 3 of 3 perturbed runs, "
                                   "3 of 3 plain ones; ")
        self.assertEqual(len(told["failures"]), 1, "numbers that differ make no other failure")

    def test_two_ways_to_fail_are_two(self):
        ways = "test -z \"$RACEWATCH_PLACE\" || case $RACEWATCH_OPTIONS in *seed=[13]*) exit 3;; *) kill -SEGV $$;; esac"
        lines, told, names = self.found("--runs", "5", "--plain", "0", "--", "sh", "-c", ways)
        self.assertEqual([(f["seed"], f["perturbed"]) for f in told["failures"]], [(2, 3), (1, 2)])
        self.assertRegex(told["failures"][0]["sentence"], r"^Process \d+ dies of SIGSEGV ")
        self.assertEqual(told["failures"][1]["sentence"], "exit status 3")
        self.assertEqual(sum("does it again" in line for line in lines), 2)
        self.assertEqual(names, ["hunt-001-crash", "hunt-001-exit", "hunt.json"])

    def test_nothing_found_leaves_nothing(self):
        seen = self.seen("--runs", "3", "--seed", "5", "true")
        self.assertEqual((seen.status, seen.left), (0, []))
        self.assertEqual(seen.stdout, "nothing found in 3 perturbed runs (seeds 5 to 7) and 3 plain ones of true\n")

    def test_a_deadlock_is_made_ended_and_reported(self):
        with processes.Program(hunt("--runs", "400", "--plain", "2", "--first", "--", compiled("opposite_orders.c"))) as program:
            self.assertEqual(program.wait(4 * PATIENCE_S), 1, program.stderr())
            lines = program.stdout().splitlines()
            self.assertRegex(lines[0], r"^opposite_orders_c hangs \(cycle: Deadlock: .*[^.]\) with seed \d+: 1 of \d+ "
                                       r"perturbed runs, 0 of \d plain ones?; racewatch run --seed \d+ -- .* does it again$")
            report = lines[1].split("report: ")[1]
            with open(report, encoding="utf-8") as f:
                self.assertIn("racewatch: cycle", f.read())

    def test_an_interrupt_ends_it_with_the_summary(self):
        sleeps = 'test -z "$RACEWATCH_PLACE" || exec sleep 1000'
        with processes.Program(hunt("--", "sh", "-c", sleeps)) as program:
            program.wait_until(lambda: "1 plain" in program.stderr(), PATIENCE_S)
            program.kill(signal.SIGINT)
            self.assertEqual(program.wait(PATIENCE_S), 130)
            self.assertRegex(program.stdout(), "^nothing found in 0 perturbed runs .* and 1 plain one of sh\n$")
            self.assertTrue(processes.wait_for_orphans(PATIENCE_S), "the run goes on")

    def test_usage(self):
        for argv in ((), ("--runs", "many", "true"), ("--for", "soon", "true"), ("--perturb", "shake", "true"), ("--no-such",)):
            self.assertEqual(self.seen(*argv).status, 2, argv)
        seen = self.seen("--runs", "2", "no-such-program-here")
        self.assertEqual(seen.status, 125)
        self.assertRegex(seen.stderr, r"racewatch hunt: no-such-program-here cannot be run\n$")
