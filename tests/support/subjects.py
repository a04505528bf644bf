# SPDX-License-Identifier: MIT
"""Python programs that a test starts in any of its Pythons, asks by a byte, and looks at from outside."""

import contextlib
import copy
import glob
import os
import select
import shutil
import signal
import subprocess
import tempfile

from . import machine, processes

PATIENCE_S = 90


class Failed(Exception):
    """The subject did not do what it is there for; for people."""


class Kit:
    """What the subjects of a test share, in one folder that is to be seen inside roots too: racewatch as a user copies it,
    and the programs."""

    def __init__(self, folder, programs):
        self.folder = folder
        self.racewatch = shutil.copy(machine.program(), folder)
        self.library = shutil.copy(machine.library(), folder)
        for program in programs:
            shutil.copy(program, folder)

    def path(self, name):
        return os.path.join(self.folder, name)

    def is_for(self, python):
        """Whether the library can be loaded there: Debian 11's libc is older than the one that it was linked with, so
        programs there can only be looked at."""
        argv = python.command("-c", "", folders=[self.folder], env={"LD_PRELOAD": self.library, "RACEWATCH": "0"})
        shown = subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
        return shown.returncode == 0


def in_environment(python, folder):
    """The Python in a virtual environment with a copy of its executable, by another name."""
    bin_folder = os.path.join(folder, "environment/bin")
    os.makedirs(bin_folder)
    with open(os.path.join(folder, "environment/pyvenv.cfg"), "w", encoding="utf-8") as f:
        f.write("home = %s\ninclude-system-site-packages = false\n" % os.path.dirname(python.path))
    made = copy.copy(python)
    made.path = os.path.join(bin_folder, "my program)")
    shutil.copy((python.root or "") + python.path, made.path)
    return made


class Subject:
    """One run of a program, with a folder of its own in the kit's. It says that it is ready by the byte R on its standard
    output, and ends with its standard input."""

    def __init__(self, kit, name):
        self.kit = kit
        self.folder = tempfile.mkdtemp(prefix=name.replace("/", "_") + "-", dir=kit.folder)
        self.child = None

    def start(self, python, *arguments, is_watched=False):
        argv = python.command(*arguments, folders=[self.kit.folder])
        if is_watched:
            argv = [self.kit.racewatch, "run", "--", *argv]
        env = dict(processes.clean_environment(), RACEWATCH_DIR=os.path.join(self.folder, "out"), LC_ALL="C.UTF-8")
        with open(os.path.join(self.folder, "stderr"), "wb") as err:
            self.child = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=err, env=env,
                                          cwd=self.folder, start_new_session=True)

    def stderr(self):
        with open(os.path.join(self.folder, "stderr"), encoding="utf-8", errors="replace") as f:
            return f.read()[-1500:]

    def await_ready(self):
        ready, _, _ = select.select([self.child.stdout], [], [], PATIENCE_S)
        if not ready or os.read(self.child.stdout.fileno(), 1) != b"R":
            raise Failed("the program does not become ready%s: %s" % ("" if ready else " in time", self.stderr()))

    def ask(self):
        self.child.stdin.write(b"?")
        self.child.stdin.flush()
        self.await_ready()

    def recording(self, pid):
        """The path of its recording, or None."""
        with open("/proc/%d/maps" % pid, encoding="utf-8", errors="surrogateescape") as f:
            names = {os.path.basename(line.strip()) for line in f if line.strip().endswith(".rec")}
        found = [p for p in glob.glob(os.path.join(self.folder, "out/recordings/*/*.rec")) if os.path.basename(p) in names]
        return found[0] if found else None

    def end(self):
        """Its exit status, None where it had to be killed. The folder goes too."""
        status = None
        if self.child:
            self.child.stdin.close()
            with contextlib.suppress(subprocess.TimeoutExpired):
                status = self.child.wait(PATIENCE_S)
            if status is None:
                for pid in [self.child.pid] + processes.descendants(self.child.pid):
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)
                self.child.wait()
            self.child.stdout.close()
        shutil.rmtree(self.folder, ignore_errors=True)
        return status
