# SPDX-License-Identifier: MIT
"""One system call of ours fails, or one allocation, or all from one on: any of them, as any machine may have it."""

import errno
import os
import subprocess

import trials
from trials import Bare, Watched, Wrong, judge_end, judge_program, judge_recordings, racewatch, send, steps, two_locks
from support import incidents, processes

ERRNOS = (errno.EIO, errno.ENOMEM, errno.EAGAIN, errno.EMFILE, errno.ENOSPC, errno.EDQUOT, errno.EPERM, errno.EROFS)


def _one_fails(who, nth, number, argv):
    return [trials.compiled(trials.HERE + "/one_fails.c"), who, str(nth), str(number), "call", "--", *argv]


def _failed(program):
    """The number of the call that failed, and how many were counted; (-1, 0): it is not known."""
    try:
        with open(os.path.join(program.folder, "call"), encoding="ascii") as f:
            return tuple(map(int, f.read().split()))
    except OSError:
        return -1, 0


def _inside(how, argv):
    library, program = trials.product()
    return ["env", "LD_PRELOAD=" + library, *argv] if how == "preload" else [program, "run", "--", *argv]


def _files(folder):
    return [os.path.relpath(os.path.join(d, f), folder) for d, _, files in os.walk(folder) for f in files]


# What these should have removed may stay; a preloaded library's monitor that cannot open its folders ends, as one that is killed.
UNLINK, RMDIR, UNLINKAT, OPENAT = 87, 84, 263, 257
MAY_LEAVE = {"library": (UNLINK, RMDIR, UNLINKAT), "run": (UNLINK, RMDIR, UNLINKAT), "monitor": (UNLINK, RMDIR, UNLINKAT, OPENAT)}


def _judge(argv, what, options):
    with Watched(argv, how="inside", options=options) as program:
        found = [*judge_program(program, Bare.of(steps(20))), *judge_end(program, may_leave=("out", "call")),
                 *judge_recordings(program, is_whole=False)]
        call, _ = _failed(program)
        is_recorded_only = "cannot start the monitor" in program.stderr()
        if not options and os.path.isdir(program.out) and call not in MAY_LEAVE[what] and not is_recorded_only:
            found.append(Wrong("left", "a folder with %s" % _files(program.out)))
        for wrong in found:
            yield Wrong(wrong.kind, "%s, call %d: %s" % (what, call, wrong.what))


def call_of_the_library_fails(random):
    """The first process makes some thirty, each child some twenty, and the rest is of threads that come and go."""
    nth = random.choice([random.randint(1, 40), random.randint(1, 400)])
    yield from _judge(_one_fails("library", nth, random.choice(ERRNOS), _inside(random.choice(["preload", "run"]), steps(20))),
                      "library", random.choice(["keep=always", ""]))


def call_of_the_monitor_fails(random):
    """A preloaded library's monitor that cannot open its session ends at once, as one that is killed."""
    how = random.choice(["preload", "run", "run"])
    nth = random.randint(1, 60 if how == "preload" else 250)
    yield from _judge(_one_fails("monitor", nth, random.choice(ERRNOS), _inside(how, steps(20))),
                      "run" if how == "run" else "monitor", random.choice(["keep=always", ""]))


def _end_program(program):
    for pid in processes.descendants(program.pid):
        try:
            if os.readlink("/proc/%d/exe" % pid) == two_locks()[0]:
                send(pid, 9)
        except OSError:
            pass
    program.wait(trials.PATIENCE_S)


def call_of_the_monitor_fails_and_it_hangs(random):
    """It is told by the monitor, or afterwards; in index.json there is either all of an entry or none."""
    argv = _one_fails("monitor", random.randint(1, 900), random.choice(ERRNOS), _inside("preload", two_locks()))
    with Watched(argv, how="inside") as program:
        trials.wait_until_it_hangs(program, 10)
        program.wait_until(lambda: incidents.count(program.out) or not program.monitors(), 15)
        _end_program(program)
        found = list(judge_end(program, may_leave=("out", "call")))
        report = racewatch("report", program.out)
        if report.returncode or "racewatch: cycle" not in report.stdout:
            found.append(Wrong("lost", "`racewatch report` %d: %s" % (report.returncode, (report.stdout + report.stderr)[:300])))
        for wrong in found:
            yield Wrong(wrong.kind, "call %d: %s" % (_failed(program)[0], wrong.what))


def _no_memory():
    path = os.path.join(trials.product()[0].rsplit("/", 1)[0], "no_memory.so")
    if not os.path.exists(path):
        subprocess.run(["gcc", "-std=gnu11", "-D_GNU_SOURCE", "-O1", "-Wall", "-Werror", "-shared", "-fPIC", "-o", path,
                        trials.HERE + "/no_memory.c"], check=True)
    return path


def allocation_of_the_run_fails(random):
    """Once, or from there on for good. Whatever becomes of `racewatch run`, the program and its status are not its to lose."""
    bare = Bare.of(steps(20))
    nth = random.choice([random.randint(1, 400), random.randint(1, 1500)])
    env = {"LD_PRELOAD": _no_memory(), "NO_MEMORY": "%d:%d" % (nth, random.choice([1, 1, 1000000000]))}
    with Watched(steps(20), env=env, how="run", options="keep=always") as program:
        found = [*judge_program(program, bare), *judge_end(program), *judge_recordings(program, is_whole=False)]
        for wrong in found:
            yield Wrong(wrong.kind, "%s: %s" % (env["NO_MEMORY"], wrong.what))


FAULTS = (call_of_the_library_fails, call_of_the_monitor_fails, call_of_the_monitor_fails_and_it_hangs, allocation_of_the_run_fails)
