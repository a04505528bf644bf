# SPDX-License-Identifier: MIT
"""What is written may hold what is nobody else's business; and the monitor may do no more than it must."""

import contextlib
import fcntl
import glob
import json
import os
import re
import shutil
import stat
import subprocess
import tarfile
import tempfile

from common import PATIENCE_S, Case, Seen, build_path, compiled, preload, scenario
from support import incidents, machine, processes
from test_adversity import NOBODY, readable_copy
from test_post_mortem import racewatch, wait_until_blocked

SECRET = "hunter2-the-secret"
WAYS = {"": preload, machine.program() + " run --": dict}  # what is put before a program, and its environment


def everything_in(folder):
    """(path, its bytes) of each file."""
    for at, _, names in os.walk(folder):
        for name in names:
            with open(os.path.join(at, name), "rb") as f:
                yield os.path.join(at, name), f.read()


def hanging(argv, env, **more):
    """A program that hangs and is reported, not ended yet."""
    program = processes.Program(argv, env, **more)
    program.wait_until(lambda: incidents.count(program.out), PATIENCE_S)
    return program


class Files(Case):
    def test_are_the_users_alone(self):
        for watcher, env in WAYS.items():
            argv = ["/bin/sh", "-c", "umask 0; exec %s %s" % (watcher, scenario("c_two_locks"))]
            with self.subTest(watcher), hanging(argv, env()) as program:
                self.assertEqual(incidents.count(program.out), 1)
                for at, folders, names in os.walk(program.out):
                    self.assertEqual(stat.S_IMODE(os.stat(at).st_mode), 0o700, at)
                    for name in names:
                        self.assertEqual(stat.S_IMODE(os.lstat(os.path.join(at, name)).st_mode), 0o600, name)
                    self.assertEqual([f for f in folders if os.path.islink(os.path.join(at, f))], [])

    def test_hold_no_environment_and_no_arguments(self):
        for watcher, env in WAYS.items():
            argv = [*watcher.split(), scenario("c_two_locks"), SECRET, "--password", SECRET]
            with self.subTest(watcher), hanging(argv, dict(env(), API_TOKEN=SECRET, RACEWATCH_OPTIONS="keep=always")) as program:
                self.assertEqual(incidents.count(program.out), 1)
                found = list(everything_in(program.out))
                self.assertGreater(len(found), 3)
                self.assertEqual([path for path, data in found if SECRET.encode() in data], [])

    def test_hold_no_values_of_pythons_variables(self):
        script = build_path("secret.py")
        with open(script, "w", encoding="ascii") as f:
            f.write("import threading\ndef login(password):\n    lock = threading.Lock()\n    lock.acquire()\n    lock.acquire()\n"
                    "login('-'.join(['hunter2', 'the', 'secret']))\n")
        env = preload(RACEWATCH_OPTIONS="timeout=2", PYTHONDONTWRITEBYTECODE="1")
        with hanging(["/usr/bin/python3", script], env) as program:
            self.assertEqual(incidents.count(program.out), 1)
            self.assertIn("login", incidents.all_of(program.out)[0].text)
            self.assertEqual([path for path, data in everything_in(program.out) if SECRET.encode() in data], [])


    def test_of_a_hunt_hold_no_arguments(self):
        ends = 'test -z "$RACEWATCH_PLACE"'
        with processes.Program([machine.program(), "hunt", "--runs=1", "--plain=0", "--again=0", "--", "sh", "-c", ends, "sh", SECRET]) as program:
            self.assertEqual(program.wait(PATIENCE_S), 1, program.stderr())
            self.assertIn(SECRET, program.stdout(), "on the terminal it is what was typed there")
            with open(program.out + "/hunt.json", encoding="utf-8") as f:
                self.assertEqual(json.load(f)["failures"][0]["again"], "racewatch run --seed 1 -- sh")
            self.assertEqual([path for path, data in everything_in(program.out) if SECRET.encode() in data], [])

    def test_archive_is_the_users_alone(self):
        with hanging([scenario("c_two_locks")], preload()) as program:
            archive = os.path.join(program.folder, "archive.tar.gz")
            for before in (None, 0o644):  # there is none, and one that anybody may read
                if before:
                    os.chmod(archive, before)
                told = racewatch("collect", "-o", archive, program.out)
                self.assertEqual((told.returncode, told.stderr), (0, ""))
                self.assertEqual(stat.S_IMODE(os.stat(archive).st_mode), 0o600)


class Links(Case):
    """What somebody put where we write: it stays what it is, and so does what it leads to."""

    def setUp(self):
        place = tempfile.TemporaryDirectory(prefix="racewatch-test-")
        self.addCleanup(place.cleanup)
        self.place = place.name
        self.mine = os.path.join(place.name, "mine")
        with open(self.mine, "w", encoding="ascii") as f:
            f.write("mine")
        os.chmod(self.mine, 0o644)

    def tearDown(self):
        with open(self.mine, encoding="ascii") as f:
            self.assertEqual(f.read(), "mine")

    def each(self, path):
        """Makes `path` one kind of link after another."""
        for make in (os.symlink, os.link):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path)
            make(self.mine, path)
            yield make.__name__

    def test_hunt_json(self):
        out = os.path.join(self.place, "out")
        os.mkdir(out)
        for kind in self.each(out + "/hunt.json"):
            with self.subTest(kind):
                seen = Seen([machine.program(), "hunt", "--out=" + out, "--runs=1", "--plain=0", "--again=0", "--", "false"])
                self.assertEqual(seen.status, 1)
                self.assertTrue(stat.S_ISREG(os.lstat(out + "/hunt.json").st_mode))
                self.assertEqual(stat.S_IMODE(os.stat(out + "/hunt.json").st_mode), 0o600)

    def test_archive(self):
        archive = os.path.join(self.place, "racewatch.tar.gz")
        with hanging([scenario("c_two_locks")], preload()) as program:
            for kind in self.each(archive):
                with self.subTest(kind):
                    told = racewatch("collect", "-o", archive, program.out)
                    if kind == "symlink":  # it may be /dev/stdout as well: nothing of that kind is taken away
                        self.assertEqual(told.returncode, 1)
                        self.assertIn("no regular file", told.stderr)
                    else:
                        self.assertEqual((told.returncode, told.stderr), (0, ""))

    def test_where_isolate_keeps_the_output(self):
        out = os.path.join(self.place, "out")
        elsewhere = os.path.join(self.place, "elsewhere")
        script = "mkdir -p %s/isolate-$$; rmdir %s/isolate-$$; ln -s %s %s/isolate-$$; exec \"$@\"" % (out, out, elsewhere, out)
        os.mkdir(elsewhere)
        for name in ("stdout", "stderr"):
            os.makedirs(elsewhere + "/try-001", exist_ok=True)
            os.symlink(self.mine, elsewhere + "/try-001/" + name)
        seen = Seen(["/bin/sh", "-c", script, "sh", machine.program(), "isolate", "--out=" + out, "--", "pytest"])
        self.assertEqual(seen.status, 125)
        self.assertIn("Not a directory", seen.stderr)
        self.assertEqual(os.listdir(elsewhere), ["try-001"])

    def test_incident_that_is_read(self):
        folder = os.path.join(self.place, "out", "001-cycle")
        os.makedirs(folder)
        path = os.path.join(folder, "incident.json")
        os.symlink(self.mine, path)
        told = racewatch("report", os.path.dirname(folder))
        self.assertEqual(told.returncode, 1)
        self.assertIn("a symbolic link", told.stderr)
        self.assertNotIn("mine'", told.stderr)


class Others(Case):
    """Other users of the machine."""

    def test_their_folder_for_recordings_is_not_ours(self):
        if os.getuid():
            self.skipTest("only root can give a folder away")
        with tempfile.TemporaryDirectory(prefix="racewatch-test-") as out:
            os.makedirs(out + "/recordings/theirs")
            os.chmod(out + "/recordings", 0o777)
            os.chown(out + "/recordings", NOBODY, NOBODY)
            seen = Seen([machine.program(), "run", "--dir=" + out, "--", "/bin/sh", "-c", "echo on"])
            self.assertEqual((seen.status, seen.stdout), (0, "on\n"))
            self.assertRegex(seen.stderr, r"^racewatch run: nothing is watched: cannot record into .*: Operation not permitted\n$")
            seen = Seen(["/bin/sh", "-c", "echo on"], preload(RACEWATCH_DIR=out))
            self.assertEqual((seen.status, seen.stdout), (0, "on\n"))
            self.assertIn("recordings: Operation not permitted; the program runs unwatched", seen.stderr)
            self.assertEqual(os.listdir(out + "/recordings"), ["theirs"])

    def test_what_they_lay_ready_is_not_recorded_into(self):
        """A file that a process would take for its recording, in a session's folder that the environment names."""
        if os.getuid():
            self.skipTest("only root can give a file away")
        with processes.Program([compiled("blocked.c")], preload()) as program:
            wait_until_blocked(program)
            recording, = glob.glob(program.out + "/recordings/*/*.rec")
            size = os.stat(recording).st_size
        for owner in (0, NOBODY):
            with self.subTest(owner), tempfile.TemporaryDirectory(prefix="racewatch-test-") as session:
                spare = session + "/0.spare"
                with open(spare, "wb") as f:
                    f.truncate(size)
                os.chown(spare, owner, -1)
                os.chmod(spare, 0o666)
                seen = Seen(["/bin/true"], preload(RACEWATCH_SESSION="%d:%s" % (os.getpid(), session)))
                self.assertEqual(seen.status, 0)
                self.assertEqual(len(glob.glob(session + "/*.rec")), 1)
                self.assertEqual(os.path.exists(spare), owner == NOBODY)

    def test_lock_of_theirs_holds_nobody_up(self):
        """Whoever may open the folder may lock it, and keep it locked."""
        with tempfile.TemporaryDirectory(prefix="racewatch-test-") as out:
            held = os.open(out, os.O_RDONLY)
            fcntl.flock(held, fcntl.LOCK_EX)
            try:
                seen = Seen([machine.program(), "run", "--dir=" + out, "--on-hang=kill", "--", scenario("c_two_locks")])
                self.assertEqual(seen.status, 137)
                self.assertEqual(incidents.count(out), 1)
                with open(out + "/index.json", encoding="utf-8") as f:
                    self.assertEqual(len([note for note in json.load(f)["notes"] if "locked by somebody else" in note]), 1)
                self.assertEqual(Seen([machine.program(), "run", "--dir=" + out, "--", "/bin/true"]).status, 0)
            finally:
                os.close(held)


class Terminal(Case):
    """What a log shows of names that the program chose."""

    def test_they_end_no_line_and_are_no_command(self):
        with processes.Program([machine.program(), "run", "--on-hang=kill", "--", compiled("loud_name.c")]) as program:
            self.assertEqual(program.wait(PATIENCE_S), 137)
            self.assertEqual(len(program.stderr().splitlines()), 1)
            archive = os.path.join(program.folder, "archive.tar.gz")
            self.assertEqual(racewatch("collect", "-o", archive, program.out).returncode, 0)
            with tarfile.open(archive) as packed:
                summary = packed.extractfile("summary.txt").read().decode()
            for said in (program.stderr(), summary):
                self.assertIn(r"'\x1b[31mred\n::err'", said)
                self.assertNotIn("\x1b", said)


class Privileges(Case):
    def test_program_that_has_more_rights_than_its_user_writes_nothing(self):
        """Of LD_PRELOAD the dynamic linker itself takes nothing there. /etc/ld.so.preload holds for every program."""
        if os.getuid():
            self.skipTest("only root can make a set-user-ID program and run it as another user")
        library = readable_copy()
        script = """
            export RACEWATCH=0
            mount -t tmpfs none "$PWD/etc" && mkdir etc/up etc/work &&
            mount -t overlay -o "lowerdir=/etc,upperdir=$PWD/etc/up,workdir=$PWD/etc/work" none /etc || exit 77
            echo "$2" > /etc/ld.so.preload
            exec setpriv --reuid %d --regid %d --clear-groups env -u RACEWATCH "$1"
        """ % (NOBODY, NOBODY)
        kinds = {"neither": lambda path: None,
                 "set-user-ID": lambda path: os.chmod(path, 0o4755)}
        if machine.tool("setcap"):
            kinds["capabilities"] = lambda path: subprocess.run([machine.tool("setcap"), "cap_net_raw+ep", path], check=True)
        for kind, make in kinds.items():
            path = build_path("more_rights")
            shutil.copy(compiled("wait_any.c"), path)
            make(path)
            argv = ["unshare", "-m", "/bin/sh", "-c", "mkdir etc && " + script, "sh", path, library]
            with self.subTest(kind), processes.Program(argv, {"RACEWATCH_OPTIONS": "keep=always"}, folder_mode=0o777) as program:
                if program.wait(PATIENCE_S) == 77:
                    self.skipTest("no private mount namespace with an overlay here")
                self.assertEqual(program.stdout(), "no child\n", program.stderr())
                self.assertEqual(os.path.exists(program.out), kind == "neither")

    def test_monitor_gives_up_what_it_does_not_need(self):
        for how in ("preload", "run"):
            argv = [scenario("c_two_locks")]
            env = preload() if how == "preload" else {}
            with self.subTest(how), hanging(argv if how == "preload" else [machine.program(), "run", "--", *argv], env):
                monitors = processes.monitors()
                self.assertEqual(len(monitors), 1)
                with open("/proc/%d/status" % monitors[0], encoding="ascii") as f:
                    status = f.read()
                self.assertRegex(status, r"NoNewPrivs:\s+1\n")
                effective = int(re.search(r"CapEff:\s+(\w+)", status)[1], 16)
                if effective >> 19 & 1:  # it may trace anybody; without that it needs each capability of the program's
                    self.assertEqual([n for n in (0, 6, 7, 12, 13, 16, 17, 18) if effective >> n & 1], [])
                    with open("/proc/self/status", encoding="ascii") as f:
                        ours = int(re.search(r"CapEff:\s+(\w+)", f.read())[1], 16)
                    self.assertEqual(effective >> 23 & 1, ours >> 23 & 1, "priority over others while a thread stands still")

    def test_monitor_has_nothing_of_the_programs_environment(self):
        with hanging([scenario("c_two_locks")], preload(API_TOKEN=SECRET, GLIBC_TUNABLES="glibc.malloc.check=1")) as program:
            self.assertEqual(incidents.count(program.out), 1)
            monitor, = processes.monitors()
            with open("/proc/%d/environ" % monitor, encoding="utf-8") as f:
                names = {entry.split("=")[0] for entry in f.read().split("\0")} - {""}
            self.assertLessEqual(names, {"RACEWATCH", "RACEWATCH_OPTIONS", "RACEWATCH_DIR"})
            self.assertEqual([os.readlink(fd) for fd in glob.glob("/proc/%d/fd/[012]" % monitor)], ["/dev/null"] * 3)
            self.assertEqual(os.readlink("/proc/%d/cwd" % monitor), "/")

    def test_monitor_goes_first_where_memory_is_short(self):
        """Of those in a full cgroup the kernel ends it, however much larger the program is; which stays what it was."""
        def standing(pid):
            with open("/proc/%s/oom_score_adj" % pid, encoding="ascii") as f:
                return int(f.read())
        with hanging([scenario("c_two_locks")], preload()) as program:
            self.assertEqual([standing(pid) for pid in processes.monitors()], [1000])
            self.assertEqual(standing(program.pid), standing("self"))

    def test_program_lets_the_monitor_alone_trace_it(self):
        strace = machine.tool("strace")
        if not strace:
            self.skipTest("strace is not installed")
        with processes.Program([strace, "-f", "-e", "trace=prctl", "-o", "traced", "/usr/bin/env", "LD_PRELOAD=" + machine.library(),
                                compiled("children.c")], {"RACEWATCH_OPTIONS": "keep=always"}) as program:
            program.wait(PATIENCE_S)
            processes.wait_for_orphans(PATIENCE_S)
            with open(os.path.join(program.folder, "traced"), encoding="ascii") as f:
                allowed = set(re.findall(r"PR_SET_PTRACER, (\w+)", f.read()))
            recordings = glob.glob(program.out + "/recordings/*/*.rec")
            told = "".join(racewatch("recording", path).stdout for path in recordings)
        self.assertEqual(len(allowed), 1)
        self.assertEqual(allowed, set(re.findall(r" monitor=(\d+) ", told)))


    def test_monitor_has_priority_while_somebody_stands_still(self):
        """The thread that stops others is a real-time one meanwhile, if the run may make one."""
        strace = machine.tool("strace")
        if not strace:
            self.skipTest("strace is not installed")
        with open("/proc/self/status", encoding="ascii") as f:
            if not int(re.search(r"CapEff:\s+(\w+)", f.read())[1], 16) >> 23 & 1:
                self.skipTest("without CAP_SYS_NICE nobody has priority")
        argv = [strace, "-f", "-b", "execve", "-e", "trace=sched_setscheduler", "-o", "traced"]  # the program is not traced: it is exec'ed
        with processes.Program([*argv, machine.program(), "run", "--on-hang=kill", "--", scenario("c_two_locks")]) as program:
            program.wait(PATIENCE_S)
            with open(os.path.join(program.folder, "traced"), encoding="ascii") as f:
                asked = re.findall(r"sched_setscheduler\(\d+, SCHED_FIFO.*\) += (.*)", f.read())
        self.assertTrue(asked)
        self.assertEqual(set(asked), {"0"})


class Monitor(Case):
    def test_has_no_error_of_memory(self):
        """A whole look at a real hang, under valgrind."""
        valgrind = machine.tool("valgrind")
        if not valgrind:
            self.skipTest("valgrind is not installed")
        wrapper, log = build_path("checked_monitor"), build_path("valgrind.log")
        with open(wrapper, "w", encoding="ascii") as f:
            f.write("#!/bin/sh\nexec %s -q --error-exitcode=9 --log-file=%s %s \"$@\"\n" % (valgrind, log, machine.program()))
        os.chmod(wrapper, 0o755)
        python = ["/usr/bin/python3", os.path.join(machine.ROOT, "tests/scenarios/py_two_locks_with/main.py")]
        for argv in ([scenario("c_two_locks")], python):
            with self.subTest(argv[-1]), hanging(argv, preload(RACEWATCH_OPTIONS="monitor=" + wrapper)) as program:
                self.assertEqual([i.verdict["class"] for i in incidents.all_of(program.out)], ["cycle"])
                program.kill()
                processes.wait_for_orphans(PATIENCE_S)
                with open(log, encoding="utf-8", errors="replace") as f:
                    said = re.sub(r"(?m)^--\d+-- .*\n", "", f.read())  # of system calls that it does not know
                self.assertEqual(said, "")
