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
            monitors = processes.monitors()
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


class WrongInput(Case):
    """One line on standard error that says what is wrong, and a status that says so, too."""

    def setUp(self):
        self.folder = tempfile.mkdtemp()
        os.chmod(self.folder, 0o755)
        self.addCleanup(shutil.rmtree, self.folder)

    def path(self, name, text=None):
        path = os.path.join(self.folder, name)
        if text is not None:
            with open(path, "w", encoding="utf-8") as f:
                f.write(text)
        return path

    def assert_refused(self, status, words, *arguments):
        told = racewatch(*arguments)
        self.assertEqual((told.returncode, told.stdout), (status, ""))
        self.assertEqual(len(told.stderr.splitlines()), 1, told.stderr)
        self.assertRegex(told.stderr, r"^racewatch %s: .*%s" % (arguments[0], words))

    def test_an_index_of_somebody_elses_is_no_report(self):
        self.path("index.json", '{"tests": []}')
        for command in ("report", "collect"):
            self.assert_refused(2, "neither reports nor recordings", command, self.folder)

    def test_a_folder_that_may_not_be_entered(self):
        if os.getuid():
            self.skipTest("only root can run a program as another user")
        program = self.path("racewatch")
        shutil.copy(machine.program(), program)
        closed = self.path("closed")
        os.mkdir(closed, 0o700)
        for command in ("report", "collect"):
            told = subprocess.run(["setpriv", "--reuid=65534", "--clear-groups", program, command, closed], cwd="/",
                                  stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)
            self.assertEqual((told.returncode, told.stdout), (2, ""))
            self.assertEqual(told.stderr, "racewatch %s: %s: Permission denied\n" % (command, closed))

    def test_what_is_no_incident_and_what_is_no_recording(self):
        path = self.path("plain.rec", "no recording\n" * 100)
        self.assert_refused(1, "plain.rec: not a recording", "recording", path)
        path = self.path("plain.json", "no incident")
        self.assert_refused(1, "plain.json: not JSON", "report", path)

    def test_what_is_no_process(self):
        self.assert_refused(2, "'x' is no process id", "dump", "x")
        if os.path.exists("/proc/2/exe") or not os.path.exists("/proc/2/maps"):
            self.skipTest("process 2 is not the kernel's here")
        with open("/proc/2/maps", encoding="ascii") as f:
            if f.read(1):
                self.skipTest("process 2 is not the kernel's here")
        self.assert_refused(2, "is a part of the kernel", "dump", "2")

    def test_hunts_and_isolations_of_nothing(self):
        self.assert_refused(2, "--runs", "hunt", "--runs=0", "--", "true")
        self.assert_refused(2, "nothing-here: No such file", "isolate", "--from=nothing-here", "--", "pytest")


class Collected(Case):
    def unpacked(self, program):
        archive = os.path.join(program.folder, "all.tar.gz")
        told = racewatch("collect", "-o", archive, program.out)
        self.assertEqual((told.returncode, told.stderr), (0, ""))
        folder = os.path.join(program.folder, "unpacked")
        os.mkdir(folder)
        subprocess.run(["tar", "xf", archive, "-C", folder], check=True)
        return told.stdout, folder

    def test_recordings_that_nobody_has_told_of_are_spoken_of(self):
        with processes.Program([compiled("blocked.c")], preload()) as program:
            wait_until_blocked(program)
            program.wait_until(lambda: glob.glob(program.out + "/recordings/*/*.maps"), PATIENCE_S)
            for pid in [*(p for p in processes.descendants() if p != program.pid), program.pid]:
                os.kill(pid, 9)
            program.wait(PATIENCE_S)
            processes.wait_for_orphans(PATIENCE_S)
            said, folder = self.unpacked(program)
            self.assertIn("1 recording that no incident tells of", said)
            with open(folder + "/summary.txt", encoding="utf-8") as f:
                self.assertIn("1 recording that no incident tells of", f.read())
            self.assertIn("wanter", racewatch("report", folder).stdout)

    def test_the_index_has_all_that_the_folders_own_has(self):
        with processes.Program([machine.program(), "run", "--on-hang=kill", "--", scenario("c_two_locks")]) as program:
            program.wait(PATIENCE_S)
            said, folder = self.unpacked(program)
            self.assertNotIn("no incident tells of", said)
            with open(program.out + "/index.json", encoding="utf-8") as f:
                before = json.load(f)
            with open(folder + "/index.json", encoding="utf-8") as f:
                after = json.load(f)
        self.assertEqual({key: after[key] for key in before}, before)


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
