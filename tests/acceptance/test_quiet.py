# SPDX-License-Identifier: MIT
"""A program in which nothing hangs: nothing is printed, nothing is left, nothing is changed."""

import os
import subprocess

from common import Case, Seen, build_path, compiled, preload, without_times
from support import machine


class Quiet(Case):
    def test_a_suite_that_passes_leaves_no_folder_and_prints_nothing(self):
        suite = os.path.join(machine.ROOT, "tests", "acceptance", "programs", "passing_suite.py")
        argv = ["/usr/bin/python3", "-m", "pytest", "-p", "no:cacheprovider", suite]
        bare = Seen(argv, {"PYTHONDONTWRITEBYTECODE": "1"})
        watched = Seen(argv, preload())
        self.assertEqual(bare.status, 0)
        self.assertEqual((watched.status, without_times(watched.stdout), watched.stderr),
                         (0, without_times(bare.stdout), bare.stderr))
        self.assertEqual(watched.left, [])
        self.assertTrue(watched.monitor_ended)

    def test_the_default_folder_is_not_left_either(self):
        watched = Seen(["/bin/true"], preload(RACEWATCH_DIR=None))
        self.assertEqual((watched.status, watched.left), (0, []))

    def test_run_says_nothing_but_a_last_line(self):
        bare = Seen(["/bin/ls", "/"])
        watched = Seen([machine.program(), "run", "--", "/bin/ls", "/"])
        self.assertEqual((watched.status, watched.stdout), (bare.status, bare.stdout))
        self.assertLessEqual(len(watched.stderr.splitlines()), 1)
        self.assertEqual(watched.left, [])

    def test_exit_status_of_run_is_the_programs_own(self):
        for command, status in (("exit 7", 7), ("kill -TERM $$", 143), ("kill -KILL $$", 137)):
            with self.subTest(command):
                self.assertEqual(Seen([machine.program(), "run", "--", "/bin/sh", "-c", command]).status, status)

    def test_run_of_a_program_that_does_not_exist(self):
        watched = Seen([machine.program(), "run", "--", "/nonexistent/program"])
        self.assertEqual(watched.status, 127)
        self.assertIn("/nonexistent/program", watched.stderr)

    def test_keep_always_keeps_the_folder(self):
        watched = Seen(["/bin/true"], preload(RACEWATCH_OPTIONS="keep=always"))
        self.assertEqual((watched.status, watched.left), (0, ["out"]))

    def test_racewatch_0_turns_everything_off(self):
        watched = Seen(["/bin/true"], preload(RACEWATCH="0", RACEWATCH_OPTIONS="keep=always"))
        self.assertEqual((watched.status, watched.left, watched.stderr), (0, [], ""))


class Unchanged(Case):
    def test_shell(self):
        watched = self.assert_unchanged(["/bin/bash", "-c", "for i in 1 2 3; do (echo $i | cat; exit $i); done; exit 4"])
        self.assertEqual(watched.left, [])

    def test_wait_for_any_child_never_sees_the_monitor(self):
        watched = self.assert_unchanged([compiled("wait_any.c")])
        self.assertEqual(watched.stdout, "no child\n")

    def test_descriptors_are_the_programs_own(self):
        program = "import os; print(sorted((f, os.readlink('/proc/self/fd/' + f)) for f in os.listdir('/proc/self/fd') " \
                  "if os.path.exists('/proc/self/fd/' + f) and f not in '12'))"
        watched = self.assert_unchanged(["/usr/bin/python3", "-c", program])
        self.assertNotIn("racewatch", watched.stdout)

    def test_lsof_shows_no_descriptor_of_ours(self):
        lsof = machine.tool("lsof")
        if not lsof:
            self.skipTest("lsof is not installed")
        script = "%s -a -p $$ -d 0-9999 -F fn 2>/dev/null | grep -c '^f'" % lsof
        self.assert_unchanged(["/bin/sh", "-c", script])

    def test_fork_under_error_on_warnings(self):
        for version in ("3.11", "3.12", "3.13"):
            with self.subTest(version):
                python = machine.pythons().get(version)
                if not python:
                    self.skipTest("no Python %s on this machine" % version)
                program = "import os; p = os.fork()\nif not p: os._exit(3)\nprint(os.waitstatus_to_exitcode(os.wait()[1]))"
                watched = self.assert_unchanged([python, "-W", "error", "-c", program])
                self.assertEqual((watched.status, watched.stdout), (0, "3\n"))

    def test_errno_survives_every_wrapped_call(self):
        self.assert_unchanged([compiled("errno.c")])

    def test_small_stacks(self):
        self.assert_unchanged([compiled("small_stack.c")])

    def test_children_of_every_kind(self):
        self.assert_unchanged([compiled("children.c")])

    def test_cpp_exceptions(self):
        watched = self.assert_unchanged([compiled("exceptions.cc", compiler="g++")])
        self.assertEqual(watched.stdout, "caught 1000, joined\n")

    def _runtime(self, name):
        path = machine.tool(name)
        if not path:
            self.skipTest(name + " is not installed")
        return path

    def test_rust(self):
        rustc = self._runtime("rustc")
        binary = build_path("rust")
        subprocess.run([rustc, "-g", "-o", binary, os.path.join(os.path.dirname(__file__), "programs", "threads.rs")],
                       check=True, stdin=subprocess.DEVNULL)
        watched = self.assert_unchanged([binary])
        self.assertEqual(watched.stdout, "sum 4950, panicked true\n")

    def test_node(self):
        program = "const {Worker} = require('worker_threads'); const w = new Worker(" \
                  "'require(\"worker_threads\").parentPort.postMessage(6 * 7)', {eval: true});" \
                  "w.on('message', m => console.log(m)); require('child_process').execSync('true')"
        watched = self.assert_unchanged([self._runtime("node"), "-e", program])
        self.assertEqual(watched.stdout, "42\n")

    def test_java(self):
        self.assert_unchanged([self._runtime("java"), "-Xshare:auto", "-version"])

    def test_gcc(self):
        self.assert_unchanged(["/bin/sh", "-c", "echo 'int main(void){return 5;}' > a.c && gcc -o a a.c && ./a"])


class Python(Case):
    def test_debians_threading_tests(self):
        if not os.path.exists("/usr/lib/python3.11/test/test_queue.py"):
            self.skipTest("libpython3.11-testsuite is not installed")
        argv = ["/usr/bin/python3", "-m", "unittest", "-q", "test.test_queue", "test.test_thread"]
        watched = Seen(argv, preload(), deadline_s=180)
        self.assertEqual(watched.status, 0, watched.stderr[-2000:])
        self.assertEqual(watched.left, [])

    def test_xdist(self):
        suite = os.path.join(machine.ROOT, "tests", "acceptance", "programs", "passing_suite.py")
        if not machine.python_has("/usr/bin/python3", "xdist"):
            self.skipTest("python3-pytest-xdist is not installed")
        watched = Seen(["/usr/bin/python3", "-m", "pytest", "-q", "-n2", "-p", "no:cacheprovider", suite], preload())
        self.assertEqual((watched.status, watched.left), (0, []), watched.stdout + watched.stderr)
