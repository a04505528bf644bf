# SPDX-License-Identifier: MIT
"""The main job: a pytest suite that hangs twice, under a bare LD_PRELOAD and no other setting."""

import json
import os
import signal
import subprocess
import tarfile

from common import PATIENCE_S, SUITE, Case, Seen, marker, preload, without_times
from support import incidents, machine, processes

BANK = os.path.join(SUITE, "test_bank.py")
PLUGINS = os.path.join(SUITE, "test_plugins.py")


def pytest(python, *arguments):
    return [python, "-m", "pytest", "-p", "no:cacheprovider", "--rootdir", SUITE, *arguments]


def lines_of(thread):
    """{"file.py:12", ...} of a thread's Python frames."""
    return {"%s:%s" % (os.path.basename(f.get("file") or ""), f.get("line")) for f in thread.get("python") or []}


class HangingSuite(Case):
    """On one Python; the classes below say which."""

    version = "3.11"

    @classmethod
    def setUpClass(cls):
        python = machine.pythons().get(cls.version)
        added = machine.pytest_environment(python) if python else None
        if added is None:
            raise cls.skipTest(cls, "no Python %s with pytest on this machine" % cls.version)
        with processes.Program(pytest(python, SUITE), preload(**added)) as program:
            program.wait_until(lambda: incidents.count(program.out) >= 2, PATIENCE_S)
            program.kill(signal.SIGTERM)
            cls.status = program.wait(PATIENCE_S)
            cls.stdout, cls.stderr = program.stdout(), program.stderr()
            cls.monitor_ended = program.end()
            cls.found = incidents.all_of(program.out)
            cls.modes = [os.stat(os.path.join(folder, name)).st_mode & 0o777 for folder, _, names in os.walk(program.out)
                         for name in names]
        end = cls.stdout
        bare_env = dict(preload(**added), LD_PRELOAD=None)
        with processes.Program(pytest(python, SUITE), bare_env) as program:
            program.wait_until(lambda: len(program.stdout()) >= len(end), PATIENCE_S)
            program.kill(signal.SIGTERM)
            cls.bare = (program.wait(PATIENCE_S), without_times(program.stdout()), program.stderr())

    def of_class(self, name):
        found = [i for i in self.found if i.verdict.get("class") == name]
        self.assertEqual(len(found), 1, [i.verdict.get("sentence") for i in self.found])
        return found[0]

    def test_output_and_status_are_as_without(self):
        self.assertEqual((self.status, without_times(self.stdout), self.stderr), self.bare)

    def test_one_incident_for_each_hang(self):
        self.assertEqual([i.verdict.get("class") for i in self.found], ["cycle", "interpreter-destroy"])

    def test_the_monitor_ends(self):
        self.assertTrue(self.monitor_ended)

    def test_files_are_the_users_alone(self):
        self.assertEqual(set(self.modes), {0o600})

    def test_deadlock_names_test_threads_locks_and_lines(self):
        incident = self.of_class("cycle")
        self.assertLessEqual({"pay-in", "pay-out"}, set(incident.culprits()))
        self.assertNotIn("MainThread", incident.culprits())
        self.assertTrue(incident.verdict["test"].endswith("test_bank.py::test_transfers_both_ways"))
        line = "test_bank.py:%d" % marker(BANK, "second-lock")
        for name, other in (("pay-in", "pay-out"), ("pay-out", "pay-in")):
            thread = incident.thread(name)
            self.assertIn(line, lines_of(thread))
            self.assertEqual(thread["waits_on"]["owner"], incident.thread(other)["tid"])
        self.assertIn(line, incident.verdict["look_at"])
        self.assertIn("lock", incident.verdict["sentence"])

    def test_deadlock_is_reported_within_two_seconds(self):
        incident = self.of_class("cycle")
        self.assertEqual(incident.json["trigger"], "cycle")
        self.assertLess(max(incident.thread(n)["waits_on"]["since_s"] for n in ("pay-in", "pay-out")), 2.0)

    def test_destroy_names_interpreter_thread_creator_and_test(self):
        incident = self.of_class("interpreter-destroy")
        self.assertLessEqual({"MainThread", "heartbeat"}, set(incident.culprits()))
        self.assertNotIn("idle-worker", incident.culprits())
        self.assertTrue(incident.verdict["test"].endswith("test_plugins.py::test_plugin_with_heartbeat"))
        heartbeat = incident.thread("heartbeat")
        self.assertTrue(heartbeat["created_in_test"].endswith("test_plugins.py::test_plugin_with_heartbeat"))
        self.assertIn("plugin.py:%d" % marker(os.path.join(SUITE, "plugin.py"), "heartbeat"), lines_of(heartbeat))
        self.assertEqual(heartbeat["creator_tid"], incident.thread("MainThread")["tid"])
        self.assertIn("interpreter", incident.verdict["sentence"])
        self.assertIn("heartbeat", incident.verdict["sentence"])

    def test_reports_begin_with_the_answer(self):
        for incident in self.found:
            self.assertIn(incident.verdict["sentence"][:40], incident.text.replace("\n", " ")[:600])


class HangingSuite312(HangingSuite):
    version = "3.12"


class HangingSuite313(HangingSuite):
    version = "3.13"


class RunThatEnds(Case):
    def test_a_deadlock_of_daemon_threads_changes_neither_output_nor_status(self):
        argv = pytest("/usr/bin/python3", BANK)
        bare = Seen(argv, dict(preload(), LD_PRELOAD=None))
        watched = Seen(argv, preload())
        self.assertEqual((watched.status, without_times(watched.stdout), watched.stderr),
                         (bare.status, without_times(bare.stdout), bare.stderr))
        self.assertEqual((bare.status, watched.left), (1, ["out"]))

    def test_run_tells_in_one_line_and_can_fail_the_run(self):
        argv = [machine.program(), "run", "--error-exitcode=99", "--", *pytest("/usr/bin/python3", "-q", BANK)]
        watched = Seen(argv, dict(preload(), LD_PRELOAD=None))
        self.assertEqual(watched.status, 99)
        self.assertEqual(len(watched.stderr.splitlines()), 1, watched.stderr)

    def test_github_gets_a_summary_and_collect_packs_it(self):
        argv = [machine.program(), "run", "--", *pytest("/usr/bin/python3", "-q", BANK)]
        with processes.Program(argv, dict(preload(), LD_PRELOAD=None, GITHUB_STEP_SUMMARY="summary.md")) as program:
            self.assertEqual(program.wait(PATIENCE_S), 1)
            with open(os.path.join(program.folder, "summary.md"), encoding="utf-8") as f:
                summary = f.read()
            self.assertIn("test_transfers_both_ways", summary)
            self.assertLess(len(summary), 65536)
            subprocess.run([machine.program(), "collect", program.out], cwd=program.folder, check=True,
                           stdout=subprocess.DEVNULL, stdin=subprocess.DEVNULL)
            archive, = [n for n in os.listdir(program.folder) if ".tar" in n]
            with tarfile.open(os.path.join(program.folder, archive)) as packed:
                names = packed.getnames()
                index = next(n for n in names if n.lstrip("./").count("/") == 0 and n.endswith("index.json"))
                row, = json.load(packed.extractfile(index))["incidents"]
            self.assertEqual(row["class"], "cycle")

    def test_bazels_outputs_folder_is_the_default(self):
        argv = pytest("/usr/bin/python3", "-q", BANK)
        with processes.Program(argv, preload(RACEWATCH_DIR=None, TEST_UNDECLARED_OUTPUTS_DIR="outputs")) as program:
            program.wait(PATIENCE_S)
            program.end()
            self.assertEqual(incidents.count(os.path.join(program.folder, "outputs")), 1)
