# SPDX-License-Identifier: MIT
"""Who sleeps in a recorded wait is looked at without being stopped, and nothing is missing of its stack."""

from common import PATIENCE_S, Case, compiled, preload
from support import incidents, processes


class Asleep(Case):
    @classmethod
    def setUpClass(cls):
        argv = [compiled("asleep.c", "-O0", "-fno-omit-frame-pointer")]
        with processes.Program(argv, preload()) as program:
            program.wait_until(lambda: incidents.count(program.out), PATIENCE_S)
            cls.found = incidents.all_of(program.out)[0]

    def functions(self, name):
        return [frame.get("function") for frame in self.found.thread(name)["native"]]

    def assert_in_order(self, wanted, functions):
        at = iter(functions)
        for one in wanted:
            self.assertIn(one, at, functions)

    def test_a_waiting_thread_is_not_stopped(self):
        for name in ("debit", "credit"):
            thread = self.found.thread(name)
            self.assertEqual((thread["stack_source"], thread.get("stopped_us"), thread.get("stack_note")),
                             ("memory", None, None))

    def test_its_stack_is_whole(self):
        functions = self.functions("debit")
        self.assert_in_order(["take", "debit", "start_thread"], functions)
        # The wait as it is, in libc, and not the copying of the stack before it.
        self.assertGreater(functions.index("take"), 1)
        self.assertNotIn("rw_capture_into", functions)
        ends = [frame["cfa"] for frame in self.found.thread("debit")["native"] if not frame.get("is_inlined")]
        self.assertEqual(ends, sorted(ends, key=lambda cfa: int(str(cfa), 0)))
        self.assertEqual(self.found.verdict["class"], "cycle")

    def test_a_handler_in_the_wait_is_seen(self):
        self.assert_in_order(["handle", "interrupted", "start_thread"], self.functions("interrupted"))
