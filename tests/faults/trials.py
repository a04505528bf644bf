# SPDX-License-Identifier: MIT
"""
A trial: one run of a program with one fault, and what was wrong about it.

    changed   the program did not run on as without us: another output, another status
    hung      the program, or the monitor after it, did not end
    lost      what was recorded before the fault cannot be read
    unclear   what is said is more than a line, or does not say what it is about
    left      a process, a folder or a file is left that should not be
"""

import atexit
import collections
import contextlib
import glob
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time

from support import machine, processes

HERE = os.path.dirname(os.path.abspath(__file__))
PATIENCE_S = 60
KINDS = ("lost", "hung", "changed", "unclear", "left")
STEPS = 60
NOBODY = 61234  # a user that has no other process

Wrong = collections.namedtuple("Wrong", "kind what")

_build = tempfile.mkdtemp(prefix="racewatch-faults-")
os.chmod(_build, 0o755)
atexit.register(shutil.rmtree, _build, True)


class NotHere(Exception):
    """What this machine lacks for that fault."""


def compiled(source):
    path = os.path.join(_build, os.path.basename(os.path.dirname(source)) + "-" + os.path.basename(source)[:-2])
    if not os.path.exists(path):
        subprocess.run(["gcc", "-std=gnu11", "-D_GNU_SOURCE", "-g", "-O1", "-Wall", "-Werror", "-pthread", "-o", path, source],
                       check=True)
    return path


def steps(*arguments):
    return [compiled(HERE + "/steps.c"), *(map(str, arguments or [STEPS]))]


def two_locks():
    return [compiled(os.path.join(HERE, "..", "scenarios", "c_two_locks", "main.c"))]


def product():
    """The library and the program where any user can read them: (library, program)."""
    folder = os.path.join(_build, "product")
    paths = [os.path.join(folder, os.path.basename(p)) for p in (machine.library(), machine.program())]
    if not os.path.isdir(folder):
        os.mkdir(folder)
        os.chmod(folder, 0o755)
        for source, path in zip((machine.library(), machine.program()), paths):
            shutil.copy(source, path)
            os.chmod(path, 0o755)
    return paths


def as_nobody(argv):
    if os.getuid():
        raise NotHere("only root can run a program as another user")
    return ["setpriv", "--reuid", str(NOBODY), "--regid", str(NOBODY), "--clear-groups", *argv]


@contextlib.contextmanager
def memory_group(limit):
    """A cgroup of its own that may have so many bytes: the path of its cgroup.procs. Version 1 or 2, whichever rules memory here."""
    for base, name in (("/sys/fs/cgroup/memory", "memory.limit_in_bytes"), ("/sys/fs/cgroup", "memory.max")):
        folder = os.path.join(base, "racewatch-faults-%d" % os.getpid())
        try:
            os.mkdir(folder)
        except OSError:
            continue
        try:
            with contextlib.suppress(OSError), open(os.path.join(folder, name), "w", encoding="ascii") as f:
                f.write(str(limit))
                f.flush()
                yield os.path.join(folder, "cgroup.procs")
                return
        finally:
            no_orphans()
            os.rmdir(folder)
    raise NotHere("no cgroup that limits memory can be made here")


def no_orphans():
    return processes.wait_for_orphans(30)


def shared_memory():
    """What lies in /dev/shm, but for what every Python that uses multiprocessing puts there."""
    return {n for n in os.listdir("/dev/shm") if not n.startswith(("sem.mp-", "psm_", "pymp-", "sem."))}


class Bare:
    """How a program goes without us: status and output. The same for equal commands, so it is run once."""

    _known = {}

    def __init__(self, argv, env=None, **more):
        with processes.Program(argv, env, **more) as program:
            self.status = program.wait(PATIENCE_S)
            no_orphans()
            self.stdout, self.stderr = program.stdout(), program.stderr()

    @classmethod
    def of(cls, argv, env=None, **more):
        key = (tuple(argv), tuple(sorted((env or {}).items())), tuple(sorted(more.items())))
        if key not in cls._known:
            cls._known[key] = cls(argv, env, **more)
        return cls._known[key]


class Watched(processes.Program):
    """The same with us. `how`: "preload", "run", or "inside" where the command itself brings the library in."""

    def __init__(self, argv, env=None, how="preload", options="", **more):
        env = dict(env or {})
        library, program = product()
        if options:
            env["RACEWATCH_OPTIONS"] = options
        if how == "preload":
            env["LD_PRELOAD"] = library + (":" + env["LD_PRELOAD"] if env.get("LD_PRELOAD") else "")
        argv = [program, "run", "--", *argv] if how == "run" else argv
        self.shared_before = shared_memory()
        super().__init__(argv, env, **more)
        self.out = env.get("RACEWATCH_DIR") or self.out
        self.how = how

    def monitors(self):
        """Those that a preloaded library started."""
        found = []
        for pid in processes.descendants():
            try:
                if os.readlink("/proc/%d/exe" % pid).endswith("/racewatch") and pid != self.pid:
                    found.append(pid)
            except OSError:
                pass
        return found

    def recordings(self):
        return glob.glob(os.path.join(glob.escape(self.out), "recordings", "*", "*.rec"))


def at_a_random_moment(program, random, longest_s=0.25):
    """The fault is that it may be any moment, the first ones more often: so this is a sleep."""
    end = program.started + longest_s * random.random() ** 2
    left = end - time.monotonic()
    if left > 0:
        time.sleep(left)


def send(pid, number):
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        pass


def racewatch(*arguments):
    return subprocess.run([product()[1], *arguments], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          text=True, errors="replace", timeout=PATIENCE_S, check=False)


def wait_until_it_hangs(program, patience_s=PATIENCE_S):
    """Until two threads of two_locks() are recorded as waiting for a mutex, and there is a monitor. Nothing tells but a look."""
    end = time.monotonic() + patience_s
    while time.monotonic() < end and program.child.poll() is None:
        shown = [racewatch("recording", path).stdout for path in program.recordings()]
        if program.monitors() and any(len(re.findall(r"^  waits mutex ", text, re.MULTILINE)) == 2 for text in shown):
            return


def said_too_much(text, about=()):
    """Wrong if it is more than one line, or none of ours, or says none of the words."""
    lines = [line for line in text.splitlines() if line]
    if not lines:
        return
    if len(lines) > 1 or not lines[0].startswith("racewatch"):
        yield Wrong("unclear", "it said: " + text.strip())
    elif about and not any(word in lines[0] for word in about):
        yield Wrong("unclear", "it said %r, and nothing of %s" % (lines[0], " or ".join(about)))


def judge_program(program, bare, killed=False, unseen=False, about=()):
    """The program itself. `killed`: by the trial, so its output may end early; `unseen`: its status cannot be had."""
    status = program.wait(PATIENCE_S)
    if status is None:
        yield Wrong("hung", "the program did not end")
        return
    stdout, stderr = program.stdout(), program.stderr()
    is_killed = killed and status in (-signal.SIGKILL, 128 + signal.SIGKILL)
    if is_killed and not bare.stdout.startswith(stdout):
        yield Wrong("changed", "output before it was killed: " + stdout[-200:])
    if not is_killed and stdout != bare.stdout:
        yield Wrong("changed", "output: %r, bare: %r" % (stdout[-200:], bare.stdout[-200:]))
    if not is_killed and not unseen and status != bare.status:
        yield Wrong("changed", "status %s, bare %s" % (status, bare.status))
    ours = stderr[len(bare.stderr):] if stderr.startswith(bare.stderr) else stderr
    if bare.stderr and not stderr.startswith(bare.stderr):
        ours = "".join(line for line in stderr.splitlines(True) if line not in bare.stderr.splitlines(True))
    yield from said_too_much(ours, about)


def judge_end(program, may_leave=("out",)):
    """After the program: that the monitor ends, and what is left."""
    if not no_orphans():
        yield Wrong("hung", "the monitor did not end")
    left = set(os.listdir(program.folder)) - {"stdout", "stderr"} - set(may_leave)
    if left:
        yield Wrong("left", "files: " + ", ".join(sorted(left)))
    shared = shared_memory() - program.shared_before
    if shared:
        yield Wrong("left", "in /dev/shm: " + ", ".join(sorted(shared)))


def told_steps(text):
    return [int(n) for n in re.findall(r"^test \d+ name='drill\.py::test_(\d+)'", text, re.MULTILINE)]


def judge_recordings(program, is_whole=True):
    """Each step that the program spoke of is in its recording, which can be read; `racewatch report` takes the folder."""
    spoken = [int(n) for n in re.findall(r"^(\d+)$", program.stdout(), re.MULTILINE)]
    told = []
    for path in program.recordings():
        if program.how == "preload" and not os.path.basename(path).startswith("%d-" % program.pid):
            continue  # a child's
        shown = racewatch("recording", path)
        if shown.returncode < 0:
            yield Wrong("lost", "`racewatch recording` died of signal %d" % -shown.returncode)
        told += told_steps(shown.stdout)
    if is_whole and spoken and max(told, default=0) < max(spoken):
        yield Wrong("lost", "it began step %d, and its recording tells of %s" % (max(spoken), max(told, default="none")))
    if not os.path.isdir(program.out):
        return
    report = racewatch("report", program.out)
    if report.returncode < 0:
        yield Wrong("lost", "`racewatch report` died of signal %d" % -report.returncode)
    odd = [line for line in report.stderr.splitlines() if not line.endswith(": every recorded process ended in order")]
    odd = {line.rsplit(": ", 1)[-1] for line in odd}
    if len(odd) > 2 or not (report.stdout or report.stderr):
        yield Wrong("unclear", "`racewatch report` said: " + (report.stderr or "nothing"))
    if is_whole and spoken and report.returncode:
        yield Wrong("lost", "`racewatch report`: " + report.stderr)
