# SPDX-License-Identifier: MIT
"""What can be missing, refused or broken: one clear message each, and the program runs as without the shim."""

import glob
import os
import shutil
import struct

from common import PATIENCE_S, Case, Seen, build_path, compiled, marker, preload, scenario
from support import incidents, machine, processes
from test_post_mortem import racewatch, wait_until_blocked

NOBODY = 65534
SHELL = ["/bin/sh", "-c", "echo out; echo err >&2; (exit 3); echo $?; exit 4"]


def as_nobody(argv):
    return ["setpriv", "--reuid", str(NOBODY), "--regid", str(NOBODY), "--clear-groups", *argv]


class AdversityCase(Case):
    def assert_one_line(self, text, *words):
        lines = text.splitlines()
        self.assertEqual(len(lines), 1, text)
        for word in words:
            self.assertIn(word, lines[0])

    def assert_program_is_as_ever(self, seen):
        self.assertEqual((seen.status, seen.stdout), (4, "out\n3\n"))
        rest = [line for line in seen.stderr.splitlines() if line != "err"]
        self.assertLessEqual(len(rest), 1, seen.stderr)
        return rest


class Folder(AdversityCase):
    def test_cannot_be_made(self):
        rest = self.assert_program_is_as_ever(Seen(SHELL, preload(RACEWATCH_DIR="/dev/null/out")))
        self.assertEqual([line for line in rest if "/dev/null/out" not in line], [])

    def test_cannot_be_made_and_run_says_so(self):
        seen = Seen([machine.program(), "run", "--dir=/dev/null/out", "--", *SHELL])
        rest = self.assert_program_is_as_ever(seen)
        self.assertEqual(len(rest), 1)
        self.assertIn("/dev/null/out", rest[0])

    def test_is_not_writable(self):
        if os.getuid():
            self.skipTest("only root can run a program as another user")
        with processes.Program(["/bin/true"]) as place:  # a folder that nobody may not write
            os.chmod(place.folder, 0o755)
            env = preload(RACEWATCH_DIR=place.folder + "/out", LD_PRELOAD=readable_copy())
            self.assert_program_is_as_ever(Seen(as_nobody(SHELL), env, cwd="/"))
            self.assertFalse(os.path.exists(place.out))

    def test_is_closed_to_a_child_of_another_user(self):
        if os.getuid():
            self.skipTest("only root can run a program as another user")
        child = " ".join(as_nobody(["/bin/echo"]))
        with processes.Program(["/bin/true"]) as place:
            os.chmod(place.folder, 0o755)
            env = preload(RACEWATCH_DIR=place.folder + "/out", LD_PRELOAD=readable_copy())
            seen = Seen(["/bin/sh", "-c", "%s one; %s two" % (child, child)], env, cwd="/")
        self.assertEqual((seen.status, seen.stdout, seen.stderr), (0, "one\ntwo\n", ""))

    def test_is_full(self):
        script = "mount -t tmpfs -o size=8k,mode=0777 none \"$1\" && shift && exec \"$@\""
        with processes.Program(["/bin/true"]) as place:
            full = os.path.join(place.folder, "full")
            os.mkdir(full)
            argv = ["unshare", "-m", "/bin/sh", "-c", script, "sh", full, *SHELL]
            bare = Seen(argv)
            if bare.status != 4:
                self.skipTest("no private mount namespace here: " + bare.stderr.strip())
            self.assert_program_is_as_ever(Seen(argv, preload(RACEWATCH_DIR=full + "/out")))

    def test_is_full_and_something_hangs(self):
        script = "mount -t tmpfs -o size=64k,mode=0777 none \"$1\" && shift && exec \"$@\""
        with processes.Program(["/bin/true"]) as place:
            full = os.path.join(place.folder, "full")
            os.mkdir(full)
            argv = ["unshare", "-m", "/bin/sh", "-c", script, "sh", full, compiled("passing_threads.c")]
            bare = Seen(argv)
            if bare.status != 0:
                self.skipTest("no private mount namespace here: " + bare.stderr.strip())
            seen = Seen(argv, preload(RACEWATCH_DIR=full + "/out"))
            self.assertEqual((seen.status, seen.stdout), (0, bare.stdout))

    def test_symbolic_links_in_it_are_not_followed(self):
        with processes.Program(["/bin/true"]) as place:
            elsewhere = os.path.join(place.folder, "elsewhere")
            os.makedirs(elsewhere)
            os.makedirs(place.out)
            os.symlink(elsewhere, os.path.join(place.out, "recordings"))
            os.symlink(os.path.join(elsewhere, "index"), os.path.join(place.out, "index.json"))
            self.assert_program_is_as_ever(Seen(SHELL, preload(RACEWATCH_DIR=place.out, RACEWATCH_OPTIONS="keep=always")))
            self.assertEqual(os.listdir(elsewhere), [])


def readable_copy():
    """The library and the program where any user can read them."""
    folder = build_path("product")
    if not os.path.isdir(folder):
        os.mkdir(folder)
        os.chmod(folder, 0o755)
        for path in (machine.library(), machine.program()):
            shutil.copy(path, folder)
            os.chmod(os.path.join(folder, os.path.basename(path)), 0o755)
    return os.path.join(folder, os.path.basename(machine.library()))


class Parts(AdversityCase):
    def test_monitor_is_missing(self):
        folder = build_path("alone")
        os.makedirs(folder, exist_ok=True)
        library = shutil.copy(machine.library(), folder)
        self.assert_program_is_as_ever(Seen(SHELL, preload(LD_PRELOAD=library)))

    def test_monitor_is_missing_and_the_recordings_still_tell(self):
        folder = build_path("alone")
        os.makedirs(folder, exist_ok=True)
        library = shutil.copy(machine.library(), folder)
        with processes.Program([compiled("blocked.c")], preload(LD_PRELOAD=library)) as program:
            wait_until_blocked(program)
            program.end()
            told = racewatch("report", program.out)
        self.assertEqual(told.returncode, 0, told.stderr)
        self.assertIn("wanter", told.stdout)

    def test_static_program(self):
        seen = self.assert_unchanged([compiled("wait_any.c", "-static")])
        self.assertEqual(seen.left, [])

    def test_run_says_that_a_program_is_static(self):
        seen = Seen([machine.program(), "run", "--", compiled("wait_any.c", "-static")])
        self.assertEqual((seen.status, seen.stdout), (0, "no child\n"))
        self.assert_one_line(seen.stderr, "static")

    def test_setuid_program(self):
        if os.getuid():
            self.skipTest("only root can make a set-user-ID program and run it as another user")
        path = build_path("setuid")
        shutil.copy(compiled("wait_any.c"), path)
        os.chmod(path, 0o4755)
        seen = Seen(as_nobody([path]), preload(LD_PRELOAD=readable_copy()), cwd="/")
        self.assertEqual((seen.status, seen.stdout), (0, "no child\n"))

    def test_unknown_option_is_one_warning(self):
        rest = self.assert_program_is_as_ever(Seen(SHELL, preload(RACEWATCH_OPTIONS="timeuot=3")))
        self.assertEqual(len(rest), 1)
        self.assertIn("timeuot", rest[0])

    def test_unknown_option_of_run(self):
        seen = Seen([machine.program(), "run", "--timeuot=3", "--", *SHELL])
        self.assertNotIn(seen.status, (0, 4))
        self.assertIn("timeuot", seen.stderr)

    def test_wrong_value_is_one_warning(self):
        rest = self.assert_program_is_as_ever(Seen(SHELL, preload(RACEWATCH_OPTIONS="timeout=soon")))
        self.assertEqual([line for line in rest if "timeout" not in line], [])


class Refused(AdversityCase):
    """Nobody may trace the program: the shim's own handler copies what the monitor cannot take."""

    def report(self, argv, sources=("handler", "recording")):
        if os.getuid():
            self.skipTest("only root can run a program as another user")
        # The library comes in after the change of user, so that folder and monitor are that user's.
        with processes.Program(argv, cwd="/", folder_mode=0o777) as program:
            program.wait_until(lambda: incidents.count(program.out), PATIENCE_S)
            found = incidents.all_of(program.out)
            stderr, alive = program.stderr(), program.child.poll() is None
        self.assertEqual(len(found), 1, stderr)
        self.assertTrue(alive)
        self.assertEqual(found[0].verdict["class"], "cycle")
        self.assertRegex(found[0].text, r"(?i)trac|ptrace")
        self.assertIn(found[0].thread("debit")["stack_source"], sources)
        return found[0]

    def test_by_being_undumpable(self):
        program = compiled("undumpable.c", os.path.join(machine.ROOT, "tests/scenarios/c_two_locks/main.c"), name="undumpable")
        self.report(as_nobody(["env", "LD_PRELOAD=" + readable_copy(), program]))

    def test_by_seccomp(self):
        found = self.report(as_nobody([compiled("no_tracing.c"), "/usr/bin/env", "LD_PRELOAD=" + readable_copy(),
                                       scenario("c_two_locks")]), sources=("memory",))  # which may be read
        line = marker(os.path.join(machine.ROOT, "tests/scenarios/c_two_locks/main.c"), "debit-wants")
        self.assertIn("main.c:%d" % line, found.text)


class Descriptors(AdversityCase):
    """A ring of 120 processes, and a limit of open files below what it takes to watch them."""

    def run_under(self, limit):
        argv = ["sh", "-c", "ulimit %s 64 && exec \"$@\"" % limit, "sh", machine.program(), "run", "--", scenario("c_ring_of_hundred")]
        return processes.Program(argv)

    def test_a_limit_that_may_be_raised_is(self):
        with self.run_under("-Sn") as program:
            program.wait_until(lambda: incidents.count(program.out), PATIENCE_S)
            self.assertEqual([i.verdict["class"] for i in incidents.all_of(program.out)], ["cycle"])

    def test_one_that_may_not_is_told(self):
        with self.run_under("-n") as program:
            waiting = program.wait_until(lambda: len(glob.glob(program.out + "/recordings/*/*.rec")) == 120, PATIENCE_S)
            self.assertTrue(waiting)
            program.kill(15)
            self.assertEqual(program.wait(PATIENCE_S), 143)
            told = [line for line in program.stderr().splitlines() if "limit of open files" in line]
            self.assertEqual(len(told), 1, program.stderr())
            self.assertNotIn("orphaned-lock", " ".join(i.text for i in incidents.all_of(program.out)))


class Recordings(AdversityCase):
    """`racewatch report` on what it should not believe."""

    @classmethod
    def setUpClass(cls):
        with processes.Program([compiled("blocked.c")], preload()) as program:
            wait_until_blocked(program)
            for pid in [p for p in processes.descendants() if p != program.pid] + [program.pid]:
                os.kill(pid, 9)
            program.wait(PATIENCE_S)
            processes.wait_for_orphans(PATIENCE_S)
            cls.place = build_path("recordings")
            shutil.rmtree(cls.place, True)
            shutil.copytree(program.out, cls.place)
        path, = glob.glob(cls.place + "/**/*.rec", recursive=True)
        cls.path = path
        with open(path, "rb") as f:
            cls.whole = f.read()

    def told(self, data):
        with open(self.path, "wb") as f:
            f.write(data)
        told = racewatch("report", self.place)
        self.assertGreaterEqual(told.returncode, 0, "it died of a signal")
        return told

    def assert_refused(self, data, *words):
        told = self.told(data)
        self.assertNotEqual(told.returncode, 0)
        self.assertLessEqual(len(told.stderr.splitlines()), 2, told.stderr)
        for word in words:
            self.assertIn(word, told.stderr)

    def test_whole(self):
        self.assertEqual(self.told(self.whole).returncode, 0)

    def test_empty(self):
        self.assert_refused(b"")

    def test_not_a_recording(self):
        self.assert_refused(b"ELF" * 4000)

    def test_of_another_version(self):
        version, = struct.unpack_from("<I", self.whole, 8)
        changed = bytearray(self.whole)
        struct.pack_into("<I", changed, 8, version + 1)
        self.assert_refused(bytes(changed), "version", str(version + 1))

    def test_truncated(self):
        for length in (7, 100, 4095, 4096, 8192, len(self.whole) // 2, len(self.whole) - 1):
            with self.subTest(length):
                self.told(self.whole[:length])

    def test_hostile(self):
        """Every 4-byte word of the header, one after another, as large as it can be: never a crash."""
        for offset in list(range(12, 400, 4)):
            changed = bytearray(self.whole)
            struct.pack_into("<I", changed, offset, 0xFFFFFFFF)
            with self.subTest(offset):
                self.told(bytes(changed))

    def test_folder_without_anything(self):
        told = racewatch("report", "/nonexistent/out")
        self.assertNotEqual(told.returncode, 0)
        self.assert_one_line(told.stderr, "/nonexistent/out")
