# SPDX-License-Identifier: MIT
"""Many short processes: a recording's file is used again by the next process, and nobody can make it another file."""

import contextlib
import os
import subprocess

from common import PATIENCE_S, Case, preload
from support import processes

# For each line that comes, a child that tells the inode of its own recording.
PARENT = """
import os, subprocess, sys
os.mkfifo("go")
for _ in open("go"):
    subprocess.run([sys.executable, "-I", "-S", "-c",
                    "import os; print(next(l.split()[4] for l in open('/proc/self/maps') if '.rec' in l))"], check=True)
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

    def _child(self, program, lines, count):
        """The inode of the recording of the child that is started now; `count`: the how manieth it is."""
        print(file=lines, flush=True)
        self.assertTrue(program.wait_until(lambda: len(program.stdout().split()) >= count, PATIENCE_S), program.stderr())
        return int(program.stdout().split()[count - 1])

    def test_the_next_process_uses_the_last_ones_file(self):
        with self._program() as (program, lines):
            first = self._child(program, lines, 1)
            hole = os.path.join(program.folder, "hole")
            with open(hole, "wb") as f:
                f.write(b"x" * 8192)
            made = subprocess.run(["fallocate", "--punch-hole", "--length=4096", hole], check=False)
            if made.returncode:
                self.skipTest("this file system makes no holes")
            self.assertTrue(program.wait_until(lambda: self._spares(program), PATIENCE_S))
            inodes = {os.stat(os.path.join(self._session(program), n)).st_ino for n in self._spares(program)}
            self.assertIn(first, inodes)
            self.assertIn(self._child(program, lines, 2), inodes)
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
                self.assertNotEqual(self._child(program, lines, 1), os.stat(other).st_ino)
                lines.close()
                self.assertEqual((program.wait(PATIENCE_S), program.stderr()), (0, ""))
                with open(other, "rb") as f:
                    self.assertEqual(f.read(), b"x" * 500000)
