# SPDX-License-Identifier: MIT
"""What happens to a program that is stuck, once that is told: nothing, or what `on_hang` asks for."""

import signal

from common import PATIENCE_S, Case, preload, scenario
from support import incidents, processes

# Child and parent wait for each other: one for a word over a pipe, one for the other's end.
FAMILY = """
import os
read, write = os.pipe()
child = os.fork()
if child == 0:
    os.read(read, 1)
os.waitpid(child, 0)
"""


def options(text):
    return preload(RACEWATCH_OPTIONS=text)


class OnHang(Case):
    def test_report_leaves_the_program_as_it_is(self):
        with processes.Program([scenario("c_two_locks")], options("on_hang=report")) as program:
            program.wait_until(lambda: incidents.count(program.out), PATIENCE_S)
            self.assertIsNone(program.wait(1.0))

    def ends_with(self, action, status):
        with processes.Program([scenario("c_two_locks")], options("on_hang=" + action)) as program:
            self.assertEqual(program.wait(PATIENCE_S), status)
            self.assertEqual([i.json["verdict"]["class"] for i in incidents.all_of(program.out)], ["cycle"])

    def test_abort_ends_it_by_sigabrt_after_the_report(self):
        self.ends_with("abort", -signal.SIGABRT)

    def test_kill_ends_it_by_sigkill_after_the_report(self):
        self.ends_with("kill", -signal.SIGKILL)

    def test_kill_ends_all_processes_that_wait_for_each_other(self):
        with processes.Program(["/usr/bin/python3", "-c", FAMILY], options("on_hang=kill:timeout=2")) as program:
            self.assertEqual(program.wait(PATIENCE_S), -signal.SIGKILL)
            self.assertTrue(processes.wait_for_orphans(20), "the child that was waited for is left behind")
            self.assertEqual([i.json["verdict"]["class"] for i in incidents.all_of(program.out)], ["cycle"])
