# SPDX-License-Identifier: MIT
"""Reports made later: from recordings alone after a SIGKILL of everything, from incident.json, of a live process."""

import glob
import json
import os
import re
import shutil
import subprocess
import tempfile

from common import PATIENCE_S, PROGRAMS, Case, compiled, marker, preload, scenario
from support import incidents, machine, processes


def racewatch(*arguments, cwd=None):
    return subprocess.run([machine.program(), *arguments], cwd=cwd, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True, timeout=60, check=False)


def blocked(pid):
    """Whether all threads of a process wait in a futex."""
    try:
        for tid in os.listdir("/proc/%d/task" % pid):
            with open("/proc/%d/task/%s/syscall" % (pid, tid), encoding="ascii") as f:
                if not f.read().startswith("202 "):
                    return False
    except OSError:
        return False
    return True


def wait_until_blocked(program):
    """Until the program says that it is about to block, and does. Nothing tells the last step but a look."""
    program.wait_until(lambda: "ready" in program.stdout(), PATIENCE_S)
    end = processes.time.monotonic() + PATIENCE_S
    while not blocked(program.pid) and processes.time.monotonic() < end:
        os.sched_yield()


class AfterSigkill(Case):
    @classmethod
    def setUpClass(cls):
        source = os.path.join(PROGRAMS, "blocked.c")
        with processes.Program([compiled("blocked.c")], preload()) as program:
            wait_until_blocked(program)
            program.wait_until(lambda: glob.glob(program.out + "/recordings/*/*.maps"), PATIENCE_S)
            monitors = [p for p in processes.descendants() if p != program.pid and "racewatch" in os.readlink("/proc/%d/exe" % p)]
            for pid in [*monitors, program.pid]:
                os.kill(pid, 9)
            program.wait(PATIENCE_S)
            processes.wait_for_orphans(PATIENCE_S)
            cls.monitors = len(monitors)
            cls.told = racewatch("report", program.out)
        cls.line = {name: marker(source, name) for name in ("keeper-waits", "wanter-wants", "main-joins")}

    def test_there_was_one_monitor(self):
        self.assertEqual(self.monitors, 1)

    def test_it_reports(self):
        self.assertEqual((self.told.returncode, self.told.stderr), (0, ""))

    def test_each_threads_state_and_since_when(self):
        for name in ("keeper", "wanter"):
            self.assertIn(name, self.told.stdout)
        self.assertRegex(self.told.stdout, r"wait\w* (for|on).*mutex")
        self.assertRegex(self.told.stdout, r"condition")
        self.assertRegex(self.told.stdout, r"(for|since)[^\n]*\d+(\.\d+)? ?m?s")

    def test_native_stacks_of_the_blocked_threads(self):
        for name, line in self.line.items():
            self.assertIn("blocked.c:%d" % line, self.told.stdout, name)

    def test_last_transitions(self):
        self.assertRegex(self.told.stdout, r"(?i)creat")
        self.assertRegex(self.told.stdout, r"(?i)join")

    def test_who_owns_the_mutex(self):
        self.assertRegex(self.told.stdout, r"wanter[^\n]*\n?[^\n]*keeper")


class OfARingOfProcesses(Case):
    def test_owners_are_found_in_the_other_recordings(self):
        """Each of 120 processes has a mutex that another one wants; all are killed, and the monitor before them."""
        with processes.Program([scenario("c_ring_of_hundred")], preload()) as program:
            program.wait_until(lambda: incidents.count(program.out), PATIENCE_S)
            alive = processes.descendants()
            monitors = [p for p in alive if "racewatch" in os.readlink("/proc/%d/exe" % p)]
            for pid in monitors + [p for p in alive if p not in monitors]:
                os.kill(pid, 9)
            program.wait(PATIENCE_S)
            processes.wait_for_orphans(PATIENCE_S)
            session, = glob.glob(program.out + "/recordings/*/")
            told = racewatch("report", session)
        self.assertEqual((told.returncode, told.stderr), (0, ""))
        answer = " ".join(told.stdout.split())
        self.assertRegex(answer, r"^racewatch: cycle")
        self.assertIn("through 120 threads", answer)
        self.assertNotIn("orphaned-lock", answer)


class OfALiveProcess(Case):
    def test_dump(self):
        with processes.Program([compiled("blocked.c")], preload()) as program:
            wait_until_blocked(program)
            told = racewatch("dump", str(program.pid), cwd=program.folder)
            self.assertEqual(told.returncode, 0, told.stderr)
            self.assertIn("wanter", told.stdout)
            self.assertIn("blocked.c:%d" % marker(os.path.join(PROGRAMS, "blocked.c"), "wanter-wants"), told.stdout)
            self.assertIsNone(program.child.poll())

    def test_dump_of_a_process_without_the_shim(self):
        with processes.Program([compiled("blocked.c")]) as program:
            wait_until_blocked(program)
            told = racewatch("dump", str(program.pid), cwd=program.folder)
            self.assertEqual(told.returncode, 0, told.stderr)
            self.assertIn("blocked.c:%d" % marker(os.path.join(PROGRAMS, "blocked.c"), "wanter-wants"), told.stdout)

    def test_dump_of_nobody(self):
        told = racewatch("dump", "4194303")
        self.assertNotEqual(told.returncode, 0)
        self.assertEqual(len(told.stderr.splitlines()), 1, told.stderr)

    def test_sigterm_to_the_run_leaves_a_report(self):
        argv = [machine.program(), "run", "--", compiled("blocked.c")]
        with processes.Program(argv) as program:
            program.wait_until(lambda: "ready" in program.stdout(), PATIENCE_S)
            program.kill(15)
            self.assertEqual(program.wait(PATIENCE_S), 143)
            self.assertEqual([i.json["trigger"] for i in incidents.all_of(program.out)], ["signal"])

    def test_a_deadline_is_reported_before_it_comes(self):
        with processes.Program([compiled("blocked.c")], preload(TEST_TIMEOUT="7")) as program:
            program.wait_until(lambda: incidents.count(program.out), PATIENCE_S)
            self.assertEqual([i.json["trigger"] for i in incidents.all_of(program.out)], ["deadline"])


class Elsewhere(Case):
    def test_the_same_report_from_incident_json_alone(self):
        with processes.Program([scenario("c_two_locks")], preload()) as program:
            program.wait_until(lambda: incidents.count(program.out), PATIENCE_S)
            program.end()
            found = incidents.all_of(program.out)[0]
            copy = os.path.join(program.folder, "copied.json")
            with open(copy, "w", encoding="utf-8") as f:
                json.dump(found.json, f)
            told = racewatch("report", copy)
        self.assertEqual((told.returncode, told.stderr), (0, ""))
        self.assertEqual(told.stdout.strip(), found.text.strip())


    def test_an_index_that_is_none_holds_nobody_up(self):
        folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, folder)
        os.mkfifo(folder + "/index.json")
        said = racewatch("report", folder)
        self.assertEqual((said.returncode, said.stdout), (2, ""))
        self.assertIn("neither reports nor recordings are in it", said.stderr)


class Help(Case):
    def test_version_and_help(self):
        self.assertRegex(racewatch("--version").stdout, r"^racewatch \d+\.\d+\.\d+")
        for command in ([], ["run"], ["report"], ["dump"], ["collect"]):
            with self.subTest(command):
                told = racewatch(*command, "--help")
                self.assertEqual((told.returncode, told.stderr), (0, ""))
                self.assertIn("Usage:", told.stdout)

    def test_run_has_every_option_of_the_table(self):
        with open(os.path.join(machine.ROOT, "shim", "options.def"), encoding="utf-8") as f:
            keys = re.findall(r"^RW_OPTION\((\w+),", f.read(), re.MULTILINE)
        shown = racewatch("run", "--help").stdout
        self.assertEqual([k for k in keys if "--" + k.replace("_", "-") not in shown], [])
