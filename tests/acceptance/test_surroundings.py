# SPDX-License-Identifier: MIT
"""Half of the processes dead, peers in other namespaces or hidden, a recording that disagrees with /proc: the verdict is less
sure then, and blames nobody who has nothing to do with it."""

import contextlib
import glob
import os
import shutil
import signal
import subprocess

from common import PATIENCE_S, Case, compiled, preload, scenario
from support import incidents, machine, processes
from test_adversity import as_nobody, readable_copy
from test_post_mortem import blocked, racewatch, wait_until_blocked

SURROUNDED = "surrounded.c"
SECONDS = preload(RACEWATCH_OPTIONS="timeout=2")
AS_THE_INNOCENT = 'echo "$LAST_PID" > /proc/sys/kernel/ns_last_pid; "$0" keep "$SHARED_FD" & wait'
HIDING_PROC = 'mount -t proc -o hidepid=2 proc /proc && exec "$@"'


def unshared(case, *flags):
    """unshare with these flags, or the test is skipped with what it said."""
    argv = ["unshare", *flags]
    tried = subprocess.run([*argv, "true"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
                           check=False)
    if os.getuid() or tried.returncode:
        case.skipTest("%s: %s" % (" ".join(argv), tried.stderr.strip() or "needs root"))
    return argv


def numbers(program, word):
    return [int(line.split()[1]) for line in program.stdout().splitlines() if line.startswith(word + " ")]


def in_futex(pid):
    """How many threads of a process wait in a futex."""
    count = 0
    for path in glob.glob("/proc/%d/task/*/syscall" % pid):
        with contextlib.suppress(OSError), open(path, encoding="ascii") as f:
            count += f.read().startswith("202 ")
    return count


def first_incident(program):
    program.wait_until(lambda: incidents.count(program.out), PATIENCE_S)
    found = incidents.all_of(program.out)
    return found[0] if found else None


def dumped(case, program, pid):
    """The incident of `racewatch dump`."""
    folder = os.path.join(program.folder, "dumped")
    shutil.rmtree(folder, ignore_errors=True)
    told = racewatch("dump", "-o", folder, str(pid))
    case.assertEqual((told.returncode, told.stderr), (0, ""))
    return incidents.all_of(folder)[0]


def blamed(incident):
    """(pid, tid) of all whom the verdict or another finding blames."""
    return {(c["pid"], c["tid"]) for found in [incident.verdict, *(incident.json.get("also") or [])] for c in found.get("culprits") or []}


class HalfAreDead(Case):
    def test_ring_of_workers(self):
        with processes.Program([compiled(SURROUNDED), "ring", "4"], SECONDS) as program:
            program.wait_until(lambda: numbers(program, "ready"), PATIENCE_S)
            workers = numbers(program, "worker")
            dead, alive = workers[0::2], workers[1::2]
            # The monitor saves a process' map as soon as it has met it; of one that it never met it can tell no end.
            program.wait_until(lambda: all(glob.glob(program.out + "/recordings/*/%d-*.maps" % p) for p in workers), PATIENCE_S)
            for pid in dead:
                os.kill(pid, signal.SIGKILL)
            incident = first_incident(program)
        self.assertIn(incident.verdict["certainty"], ("inferred", "unknown"), incident.text)
        self.assertLessEqual({pid for pid, _ in blamed(incident)}, {program.pid, *alive}, incident.text)
        for pid in dead:
            self.assertRegex(incident.answer(), r"process %d\b.*was ended by SIGKILL" % pid)


class Elsewhere(Case):
    def judge_shared_mutex(self, *command):
        """The owner of a shared mutex has, where it lives, the TID of an innocent thread here."""
        program = compiled(SURROUNDED)
        with processes.Program([program, "mutex", *command, program], SECONDS) as run:
            run.wait_until(lambda: numbers(run, "ready"), PATIENCE_S)
            innocent, = numbers(run, "innocent")
            if run.stderr():
                self.skipTest("no TID can be chosen here: " + run.stderr().strip())
            self.assertEqual(numbers(run, "keeper-as"), [innocent])
            while not blocked(run.pid):
                os.sched_yield()
            incident = dumped(self, run, run.pid)
        self.assertNotEqual(incident.verdict["certainty"], "exact", incident.text)
        self.assertNotIn((run.pid, innocent), blamed(incident), incident.text)

    def test_owner_in_another_pid_namespace(self):
        self.judge_shared_mutex(*unshared(self, "--pid", "--fork", "--mount-proc"), "sh", "-c", AS_THE_INNOCENT)

    def test_owner_in_another_user_namespace(self):
        flags = ("--user", "--map-root-user", "--pid", "--fork", "--mount-proc")
        self.judge_shared_mutex(*unshared(self, *flags), "sh", "-c", AS_THE_INNOCENT)

    def test_all_of_it_in_another_pid_namespace(self):
        """Its TIDs are not ours: those in its memory are translated, and two threads hold each other's lock."""
        hanging = scenario("c_two_locks")
        with processes.Program([*unshared(self, "--pid", "--fork", "--mount-proc"), hanging]) as run:
            pid = None
            end = processes.time.monotonic() + PATIENCE_S
            while not pid and processes.time.monotonic() < end:
                pid = next((p for p in processes.descendants(run.pid) if in_futex(p) == 3), None)
            incident = dumped(self, run, pid)
            threads = {t["tid"]: t for t in incident.threads()}
            for tid, thread in threads.items():
                with open("/proc/%d/task/%d/status" % (pid, tid), encoding="ascii") as f:
                    own = next(line.split()[-1] for line in f if line.startswith("NSpid:"))
                self.assertEqual(thread["own_tid"], int(own))
        self.assertEqual((incident.verdict["class"], sorted(incident.culprits())), ("cycle", ["credit", "debit"]), incident.text)
        for culprit in incident.verdict["culprits"]:
            self.assertIn(threads[culprit["tid"]]["waits_on"]["owner"], {c["tid"] for c in incident.verdict["culprits"]})

    def judge_watched(self, argv, env=None):
        """Two threads deadlock where the monitor counts them otherwise: told by itself, by the right threads."""
        with processes.Program(argv, env) as run:
            incident = first_incident(run)
            self.assertIsNotNone(incident, run.stderr())
            alive = set()
            for pid in processes.descendants():
                with contextlib.suppress(FileNotFoundError):  # a look of the monitor's may end
                    alive |= {int(t) for t in os.listdir("/proc/%d/task" % pid)}
        self.assertEqual((incident.verdict["class"], sorted(incident.culprits())), ("cycle", ["credit", "debit"]), incident.text)
        self.assertLessEqual({tid for _, tid in blamed(incident)}, alive, incident.text)
        return incident

    def test_run_watches_into_a_pid_namespace(self):
        flags = ("--pid", "--fork", "--kill-child")
        for more in ((), ("--mount-proc",), ("--user", "--map-root-user", "--mount-proc")):
            with self.subTest(more):
                inside = [*unshared(self, *more, *flags), scenario("c_two_locks")]
                self.judge_watched([machine.program(), "run", "--", *inside])
                self.judge_watched(inside, preload())

    def test_python_in_a_pid_namespace(self):
        inside = [*unshared(self, "--pid", "--fork", "--kill-child", "--mount-proc"), "/usr/bin/python3",
                  os.path.join(machine.ROOT, "tests/scenarios/py_two_locks_with/main.py")]
        incident = self.judge_watched([machine.program(), "run", "--timeout=2", "--", *inside])
        self.assertEqual(sorted(t["name"] for t in incident.threads() if t.get("is_main")), ["MainThread"])

    def test_a_pid_namespace_in_which_nothing_hangs(self):
        argv = [machine.program(), "run", "--", *unshared(self, "--pid", "--fork", "--mount-proc"), "sh", "-c", "/bin/true; sleep 1; exit 3"]
        with processes.Program(argv) as run:
            self.assertEqual((run.wait(PATIENCE_S), run.stderr()), (3, ""))
            self.assertFalse(os.path.exists(run.out))

    def test_mount_namespace_alone(self):
        """The program's files are not where the monitor sees them."""
        with processes.Program(["true"]) as place:
            hidden = os.path.join(place.folder, "hidden")
            os.mkdir(hidden)
            script = 'mount -t tmpfs none "$1" && cp "$2" "$1/program" && exec "$1/program"'
            inside = [*unshared(self, "--mount"), "sh", "-c", script, "sh", hidden, scenario("c_two_locks")]
            incident = self.judge_watched([machine.program(), "run", "--", *inside])
            self.assertEqual(os.listdir(hidden), [])
        self.assertRegex(incident.verdict["look_at"], r"main\.c:\d+")

    def judge_reader(self, before, env=SECONDS, **more):
        """A program reads from a pipe whose other end it has itself, and somebody else whom it cannot see."""
        ours, theirs = os.pipe()
        try:
            with processes.Program([*before, compiled(SURROUNDED), "read", str(ours)], env, pass_fds=(ours, theirs), **more) as run:
                incident = first_incident(run)
                self.assertIsNotNone(incident, run.stderr())
        finally:
            os.close(ours)
            os.close(theirs)
        self.assertNotEqual(incident.verdict["certainty"], "exact", incident.text)
        return incident

    def test_peer_outside_of_the_pid_namespace(self):
        inside = ["env", "LD_PRELOAD=" + machine.library()]
        incident = self.judge_reader([*unshared(self, "--pid", "--fork", "--mount-proc"), *inside],
                                     dict(SECONDS, LD_PRELOAD=None))
        self.assertIn("outside of this container could not be seen", " ".join(incident.answer().split()))

    def test_peer_is_hidden(self):
        argv = [*unshared(self, "--mount"), "sh", "-c", HIDING_PROC, "sh"]
        if subprocess.run([*argv, "true"], check=False, stderr=subprocess.DEVNULL).returncode:
            self.skipTest("no /proc can be mounted here")
        inside = as_nobody(["env", "LD_PRELOAD=" + readable_copy()])
        incident = self.judge_reader([*argv, *inside], dict(SECONDS, LD_PRELOAD=None), folder_mode=0o777)
        self.assertIn("processes of other users are hidden", " ".join(incident.answer().split()))


class Disagrees(Case):
    """keeper has the mutex that wanter wants, and waits for a condition; main joins wanter. The recording says otherwise."""

    LIES = [("keeper", "state", 5), ("wanter", "state", 99), ("main", "tid", 1), ("keeper", "tid", "wanter"),
            ("keeper", "pthread", "wanter"), ("wanter", "wait.object2", "main"), ("wanter", "wait.object", 8),
            ("wanter", "wait.kind", 7), ("main", "wait.object", 4096), ("main", "interpreter_call.op", 2)]
    MORE_LIES = [("keeper", "state", 2), ("keeper", "state", 0), ("wanter", "tid", 999999), ("keeper", "wait.kind", 1),
                 ("keeper", "sequence", 1), ("main", "wait.kind", 1), ("keeper", "generation", 77), ("main", "flags", 6),
                 ("wanter", "capture.stack_address", 2 ** 63), ("keeper", "lifecycle_written", 2 ** 64 - 1),
                 ("wanter", "waits_written", 2 ** 40), ("keeper", "since_ns", 2 ** 64 - 1), ("wanter", "creator_slot", 2 ** 31)]

    @staticmethod
    def scribble(path, name, field, value):
        """Writes the value, or that of another thread's field, and returns what was there."""
        def write(*arguments):
            argv = [compiled("scribble.c", "-I" + machine.ROOT), path, *map(str, arguments)]
            return int(subprocess.run(argv, check=True, stdout=subprocess.PIPE, text=True).stdout)
        if isinstance(value, str):
            where = "tid" if field.startswith("wait.") else field
            other = write(value, where, 0)
            write(value, where, other)
            value = other
        return write(name, field, value)

    def setUp(self):
        self.program = self.enterContext(processes.Program([compiled("blocked.c")], preload()))
        wait_until_blocked(self.program)
        self.recording, = glob.glob(self.program.out + "/recordings/*/%d-*.rec" % self.program.pid)

    def test_a_live_process(self):
        truth = dumped(self, self.program, self.program.pid)
        self.assertEqual(truth.verdict["class"], "no-signaller", truth.text)
        for name, field, value in self.LIES:
            with self.subTest((name, field, value)):
                before = self.scribble(self.recording, name, field, value)
                incident = dumped(self, self.program, self.program.pid)
                self.scribble(self.recording, name, field, before)
                self.assertNotEqual(incident.verdict["certainty"], "exact", incident.text)
                if incident.verdict["class"] != "unknown":
                    self.assertEqual((incident.verdict["class"], incident.verdict["look_at"]),
                                     (truth.verdict["class"], truth.verdict["look_at"]), incident.text)

    def test_what_is_left_after_a_kill(self):
        for pid in [*processes.descendants(), self.program.pid]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.program.wait(PATIENCE_S)
        for lie in self.LIES + self.MORE_LIES:
            with self.subTest(lie):
                copy = os.path.join(self.program.folder, "copy")
                shutil.rmtree(copy, ignore_errors=True)
                shutil.copytree(self.program.out, copy)
                self.scribble(self.recording.replace(self.program.out, copy, 1), *lie)
                told = racewatch("report", copy)
                self.assertEqual((told.returncode, told.stderr), (0, ""))
                self.assertRegex(told.stdout.splitlines()[0], r"\((inferred|unknown)\)$", told.stdout)
