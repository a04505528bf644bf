# SPDX-License-Identifier: MIT
"""Many short processes: a recording's file is used again by the next process, and nobody can make it another file."""

import contextlib
import os
import subprocess

from common import PATIENCE_S, Case, preload
from support import processes

# For each line that comes, as many children as it says, one after the other, which live until the last has begun; each tells
# the inode of its own recording.
PARENT = """
import os, subprocess, sys
CHILD = "import sys; print(next(l.split()[4] for l in open('/proc/self/maps') if '.rec' in l), flush=True); sys.stdin.read()"
os.mkfifo("go")
for line in open("go"):
    children, told = [], []
    for _ in range(int(line)):
        children.append(subprocess.Popen([sys.executable, "-I", "-S", "-c", CHILD], stdin=subprocess.PIPE, stdout=subprocess.PIPE))
        told.append(children[-1].stdout.readline().decode().strip())
    if any(child.communicate() and child.returncode for child in children):
        sys.exit("a child failed")
    print(*told, flush=True)
"""


class Spares(Case):
    @contextlib.contextmanager
    def _program(self):
        """A program that waits for the first line, and what lines are written to."""
        with processes.Program(["/usr/bin/python3", "-I", "-c", PARENT], preload()) as program:
            go = os.path.join(program.folder, "go")
            self.assertTrue(program.wait_until(lambda: os.path.exists(go), PATIENCE_S))
            with open(go, "w", encoding="ascii") as lines:
                yield program, lines

    @staticmethod
    def _session(program):
        recordings = os.path.join(program.out, "recordings")
        return os.path.join(recordings, next(n for n in os.listdir(recordings) if not n.startswith(".")))

    def _spares(self, program):
        return sorted(n for n in os.listdir(self._session(program)) if n.endswith(".spare"))

    def _inodes_of_spares(self, program):
        return {os.stat(os.path.join(self._session(program), n)).st_ino for n in self._spares(program)}

    def _children(self, program, lines, count):
        """The inodes of the recordings of so many children that are started now."""
        before = len(program.stdout().splitlines())
        print(count, file=lines, flush=True)
        self.assertTrue(program.wait_until(lambda: len(program.stdout().splitlines()) > before and program.stdout()[-1] == "\n",
                                           PATIENCE_S), program.stderr())
        return {int(number) for number in program.stdout().splitlines()[-1].split()}

    def test_the_next_process_uses_the_last_ones_file(self):
        with self._program() as (program, lines):
            first = self._children(program, lines, 1)
            hole = os.path.join(program.folder, "hole")
            with open(hole, "wb") as f:
                f.write(b"x" * 8192)
            made = subprocess.run(["fallocate", "--punch-hole", "--length=4096", hole], check=False)
            if made.returncode:
                self.skipTest("this file system makes no holes")
            self.assertTrue(program.wait_until(lambda: self._spares(program), PATIENCE_S))
            inodes = self._inodes_of_spares(program)
            self.assertLessEqual(first, inodes)
            self.assertLessEqual(self._children(program, lines, 1), inodes)
            several = self._children(program, lines, 23)
            self.assertTrue(program.wait_until(lambda: several <= self._inodes_of_spares(program), PATIENCE_S))
            inodes = self._inodes_of_spares(program)
            self.assertLessEqual(self._children(program, lines, 21), inodes)
            lines.close()
            self.assertEqual(program.wait(PATIENCE_S), 0)
            self.assertTrue(processes.wait_for_orphans(20))
            self.assertEqual(program.stderr(), "")
            self.assertFalse(os.path.exists(program.out))

    def test_what_is_no_spare_file_is_not_used(self):
        for kind in ("link", "hard link", "short", "folder", "pipe"):
            with self.subTest(kind), self._program() as (program, lines):
                other = os.path.join(program.folder, "other")
                spare = os.path.join(self._session(program), "0.spare")
                with open(other, "wb") as f:
                    f.write(b"x" * 500000)
                if kind == "link":
                    os.symlink(other, spare)
                elif kind == "hard link":
                    os.link(other, spare)
                elif kind == "short":
                    with open(spare, "wb") as f:
                        f.write(b"x")
                elif kind == "folder":
                    os.mkdir(spare)
                else:
                    os.mkfifo(spare)
                self.assertNotIn(os.stat(other).st_ino, self._children(program, lines, 1))
                lines.close()
                self.assertEqual((program.wait(PATIENCE_S), program.stderr()), (0, ""))
                with open(other, "rb") as f:
                    self.assertEqual(f.read(), b"x" * 500000)
