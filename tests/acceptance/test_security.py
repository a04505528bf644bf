# SPDX-License-Identifier: MIT
"""What is written may hold what is nobody else's business; and the monitor may do no more than it must."""

import glob
import os
import re
import shutil
import stat

from common import PATIENCE_S, Case, build_path, compiled, preload, scenario
from support import incidents, machine, processes
from test_adversity import as_nobody, readable_copy
from test_post_mortem import racewatch

SECRET = "hunter2-the-secret"


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
        with hanging(["/bin/sh", "-c", "umask 0; exec " + scenario("c_two_locks")], preload()) as program:
            self.assertEqual(incidents.count(program.out), 1)
            for at, folders, names in os.walk(program.out):
                self.assertEqual(stat.S_IMODE(os.stat(at).st_mode), 0o700, at)
                for name in names:
                    self.assertEqual(stat.S_IMODE(os.lstat(os.path.join(at, name)).st_mode), 0o600, name)
                self.assertEqual([f for f in folders if os.path.islink(os.path.join(at, f))], [])

    def test_hold_no_environment_and_no_arguments(self):
        env = preload(API_TOKEN=SECRET, RACEWATCH_OPTIONS="keep=always")
        with hanging([scenario("c_two_locks"), "--password", SECRET], env) as program:
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


class Privileges(Case):
    def test_set_user_id_program_writes_nothing(self):
        if os.getuid():
            self.skipTest("only root can make a set-user-ID program and run it as another user")
        path = build_path("setuid_hang")
        shutil.copy(compiled("wait_any.c"), path)
        os.chmod(path, 0o4755)
        argv = as_nobody(["/usr/bin/env", "LD_PRELOAD=" + readable_copy(), path])  # env itself is not watched
        with processes.Program(argv, cwd="/", folder_mode=0o777) as program:
            self.assertEqual(program.wait(PATIENCE_S), 0)
            self.assertFalse(os.path.exists(program.out))

    def test_monitor_gives_up_what_it_does_not_need(self):
        for how in ("preload", "run"):
            argv = [scenario("c_two_locks")]
            env = preload() if how == "preload" else {}
            with self.subTest(how), hanging(argv if how == "preload" else [machine.program(), "run", "--", *argv], env) as program:
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
