# SPDX-License-Identifier: MIT
"""
Starting a test's program and ending all that came of it, by process id.

The test runner makes itself the reaper of its orphans (PR_SET_CHILD_SUBREAPER), so that a monitor that a preloaded
library started, which detaches itself from the program, still comes back to the runner: its end can be waited for,
and nothing stays behind. Waiting is always for an event: an end of a process (pidfd) or a change of a folder (inotify).
"""

import contextlib
import ctypes
import os
import select
import signal
import struct
import subprocess
import tempfile
import threading
import time

_libc = ctypes.CDLL(None, use_errno=True)
_PR_SET_CHILD_SUBREAPER = 36
_IN_MODIFY, _IN_CLOSE_WRITE, _IN_MOVED_TO, _IN_CREATE = 0x2, 0x8, 0x80, 0x100

_owned = set()


def begin_anew():
    """In a runner's process, and in each that it forks to run a share of the tests: it becomes the reaper."""
    _libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    _owned.clear()


begin_anew()


def _leave(*_):
    raise SystemExit(143)


if threading.current_thread() is threading.main_thread():
    signal.signal(signal.SIGTERM, _leave)  # a runner that is ended cleans up as well
    # A shell without job control starts what it puts behind itself with SIGINT ignored, and programs would inherit that.
    signal.signal(signal.SIGINT, signal.default_int_handler)


def _parents():
    """{pid: parent's pid} of every process."""
    found = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            with contextlib.suppress(OSError), open("/proc/%s/stat" % name, "rb") as f:
                found[int(name)] = int(f.read().rsplit(b")", 1)[1].split()[1])
    return found


def descendants(of=None):
    parents = _parents()
    found, edge = [], {of or os.getpid()}
    while edge:
        edge = {pid for pid, parent in parents.items() if parent in edge}
        found += sorted(edge)
    return found


def monitors():
    """Those of racewatch among the descendants that watch, without the looks that one has taken at the moment."""
    parents, found = _parents(), set()
    for pid in descendants():
        with contextlib.suppress(FileNotFoundError):  # it has ended meanwhile
            if os.readlink("/proc/%d/exe" % pid).endswith("/racewatch"):
                found.add(pid)
    return sorted(pid for pid in found if parents.get(pid) not in found)


def _is_zombie(pid):
    with contextlib.suppress(OSError), open("/proc/%d/stat" % pid, "rb") as f:
        return f.read().rsplit(b")", 1)[1].split()[0] in (b"Z", b"X")
    return True


def _reap():
    """Collects orphans that came to us and ended; never a child that a Popen object still waits for."""
    for pid in descendants():
        if pid not in _owned and _is_zombie(pid):
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, os.WNOHANG)


def wait_for_orphans(deadline_s):
    """True when every process that this runner brought about has ended."""
    end = time.monotonic() + deadline_s
    while True:
        _reap()
        alive = [p for p in descendants() if not _is_zombie(p)]
        if not alive:
            return True
        left = end - time.monotonic()
        if left <= 0:
            return False
        try:
            fd = os.pidfd_open(alive[0])
        except ProcessLookupError:
            continue
        try:
            select.select([fd], [], [], left)
        finally:
            os.close(fd)


def end_all():
    """Ends whatever the runner brought about and is still there, by pid, and collects it."""
    for _ in range(50):
        alive = [p for p in descendants() if not _is_zombie(p)]
        if not alive:
            break
        for pid in alive:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)
                os.kill(pid, signal.SIGKILL)
        wait_for_orphans(0.2)
    _reap()


class FolderWatch:
    """Tells when something under a folder changed; folders that appear are watched as well, three levels deep."""

    def __init__(self, folder):
        self.fd = _libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        self.paths = {}
        self._add(folder, 3)

    def _add(self, folder, depth):
        wd = _libc.inotify_add_watch(self.fd, folder.encode(),
                                     _IN_MODIFY | _IN_CLOSE_WRITE | _IN_MOVED_TO | _IN_CREATE)
        if wd < 0:
            return
        self.paths[wd] = (folder, depth)
        if depth:
            with contextlib.suppress(OSError):
                for entry in os.scandir(folder):
                    if entry.is_dir(follow_symlinks=False):
                        self._add(entry.path, depth - 1)

    def drain(self):
        with contextlib.suppress(BlockingIOError):
            data = os.read(self.fd, 65536)
            at = 0
            while at < len(data):
                wd, _, _, length = struct.unpack_from("iIII", data, at)
                name = data[at + 16:at + 16 + length].rstrip(b"\0").decode()
                at += 16 + length
                folder, depth = self.paths.get(wd, (None, 0))
                if folder and depth and os.path.isdir(os.path.join(folder, name)):
                    self._add(os.path.join(folder, name), depth - 1)

    def close(self):
        os.close(self.fd)


class Program:
    """
    A program under test with a folder of its own; `with` sees to it that everything has ended afterwards. With
    has_tmp it has its temporary files there, too: what it does not remove because it is killed.
    """

    def __init__(self, argv, env=None, cwd=None, folder_mode=0o700, has_tmp=False, **more):
        self.folder = tempfile.mkdtemp(prefix="racewatch-test-")
        os.chmod(self.folder, folder_mode)
        self.stdout_path = os.path.join(self.folder, "stdout")
        self.stderr_path = os.path.join(self.folder, "stderr")
        self.out = os.path.join(self.folder, "out")
        environment = clean_environment()
        environment["RACEWATCH_DIR"] = self.out
        if has_tmp:
            environment["TMPDIR"] = os.path.join(self.folder, "tmp")
            os.mkdir(environment["TMPDIR"])
        environment.update(env or {})
        for key in [k for k, v in environment.items() if v is None]:
            del environment[key]
        self.watch = FolderWatch(self.folder)
        self.started = time.monotonic()
        with open(self.stdout_path, "wb") as out, open(self.stderr_path, "wb") as err:
            self.child = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=out, stderr=err, env=environment,
                                          cwd=cwd or self.folder, start_new_session=True,
                                          restore_signals=True, **more)
        _owned.add(self.child.pid)
        self.pid = self.child.pid
        self.pidfd = os.pidfd_open(self.pid)

    def wait_until(self, predicate, deadline_s, also_when_ended=True):
        """The predicate's value once it is true, tried again whenever the folder changes or the program ends."""
        end = time.monotonic() + deadline_s
        ended = False
        while True:
            self.watch.drain()
            value = predicate()
            left = end - time.monotonic()
            if value or left <= 0 or (ended and not also_when_ended):
                return value
            fds = [self.watch.fd] + ([] if ended else [self.pidfd])
            ready, _, _ = select.select(fds, [], [], min(left, 1.0) if ended else left)
            ended = ended or self.pidfd in ready

    def wait(self, deadline_s):
        """Exit status (negative: the signal), or None when it is still there at the deadline."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.child.wait(deadline_s)
            return self.child.returncode
        return None

    def kill(self, number=signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, number)

    def stdout(self):
        with open(self.stdout_path, encoding="utf-8", errors="replace") as f:
            return f.read()

    def stderr(self):
        with open(self.stderr_path, encoding="utf-8", errors="replace") as f:
            return f.read()

    def end(self):
        """Ends the program and what it started; True when the monitor ended by itself after that."""
        for pid in [self.pid] + descendants(self.pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)
                os.kill(pid, signal.SIGKILL)
        self.child.wait()
        _owned.discard(self.pid)
        by_itself = wait_for_orphans(10)
        end_all()
        return by_itself

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.end()
        os.close(self.pidfd)
        self.watch.close()
        subprocess.run(["rm", "-rf", "--", self.folder], check=False)


def clean_environment():
    """This process's environment without what would steer racewatch or a test runner."""
    leave = ("RACEWATCH", "LD_", "TEST_", "PYTEST", "PYTHON", "GITHUB_", "BAZEL")
    return {k: v for k, v in os.environ.items() if not k.startswith(leave)}
