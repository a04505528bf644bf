# SPDX-License-Identifier: MIT
"""What there is not enough of: descriptors, address space, processes, file sizes; and calls that a filter refuses."""

import errno
import os
import resource
import signal

import trials
from trials import Bare, Watched, Wrong, as_nobody, judge_end, judge_program, judge_recordings, racewatch, steps, two_locks
from support import incidents

KEEP = "keep=always"
MIB = 1 << 20

# What only racewatch needs, or what it must be able to do without, by the kernel's numbers (x86-64).
CALLS = {
    "ptrace": 101, "process_vm_readv": 310, "prctl": 157, "fallocate": 285, "madvise": 28, "inotify_init1": 294,
    "inotify_add_watch": 254, "pidfd_open": 434, "flock": 73, "signalfd4": 289, "ppoll": 271, "rename": 82, "unlink": 87,
    "mkdir": 83, "mkdirat": 258, "close_range": 436, "setsid": 112, "capget": 125, "statx": 332, "getrandom": 318, "chdir": 80,
    "ftruncate": 77, "renameat": 264, "unlinkat": 263, "memfd_create": 319, "kcmp": 312, "rmdir": 84, "pidfd_send_signal": 424,
    "readlink": 89, "access": 21, "getdents64": 217, "symlink": 88, "lstat": 6, "stat": 4, "getppid": 110, "fcntl": 72, "poll": 7,
    "clock_gettime": 228, "capset": 126, "prlimit64": 302, "pidfd_getfd": 438, "setrlimit": 160, "getcwd": 79,
    "timer_create": 222, "timer_settime": 223, "sched_setaffinity": 203, "sched_getaffinity": 204, "setpriority": 141,
    "sched_setscheduler": 144, "sched_setattr": 314,
}


def _limited(argv, how, bare_argv=None, limit=None, options=KEEP, is_whole=False, about=(), **more):
    """`limit`: (resource, value), for the program and all that it starts, the monitor among them."""
    before = (lambda: resource.setrlimit(limit[0], (limit[1], limit[1]))) if limit else None
    bare = Bare(bare_argv or argv, preexec_fn=before, **more)
    if bare.status is None:
        raise AssertionError("the program itself hangs under that limit")
    with Watched(argv, how=how, options=options, preexec_fn=before, **more) as program:
        yield from judge_program(program, bare, about=about)
        yield from judge_end(program)
        yield from judge_recordings(program, is_whole=is_whole)


def descriptors_are_few(random):
    yield from _limited(steps(), random.choice(["preload", "run"]), limit=(resource.RLIMIT_NOFILE, random.randint(4, 14)),
                        about=("Too many open files", "limit of open files"))


def address_space_is_small(random):
    """From where the program itself has room for its threads' stacks, and some 8 MiB for us."""
    how = random.choice(["preload", "run"])
    limit = random.choice([36, 40, 48, 64, 100, 200, 400]) * MIB
    yield from _limited(steps(), how, limit=(resource.RLIMIT_AS, limit), about=("Cannot allocate memory",))


def address_space_is_small_and_it_hangs(random):
    """The monitor lives under the same limit: it reports, or what is recorded tells."""
    limit = random.choice([32, 48, 80, 150, 300]) * MIB
    with Watched(two_locks(), preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (limit, limit))) as program:
        trials.wait_until_it_hangs(program)
        program.wait_until(lambda: incidents.count(program.out) or not program.monitors(), trials.PATIENCE_S)
        yield from _still_told(program)


def _still_told(program):
    if program.child.poll() is not None:
        yield Wrong("changed", "the program ended with %s: %s" % (program.child.returncode, program.stderr()[-200:]))
    program.kill()
    yield from judge_end(program)
    report = racewatch("report", program.out)
    if report.returncode or "cycle" not in report.stdout:
        yield Wrong("lost", "`racewatch report` %d: %s" % (report.returncode, (report.stdout + report.stderr)[:300]))


def processes_are_few(random):
    """No room for any process or thread more; or room for those of the program and for the monitor."""
    library, program = trials.product()
    count = random.choice([1, 8, 20])
    watched = random.choice([["env", "LD_PRELOAD=" + library, *steps()], [program, "run", "--", *steps()]])
    yield from _limited(as_nobody(["prlimit", "--nproc=%d" % count, *watched]), "inside",
                        bare_argv=as_nobody(["prlimit", "--nproc=%d" % count, *steps()]), cwd="/", folder_mode=0o777,
                        about=("Resource temporarily unavailable",))


def files_are_small(random):
    yield from _limited(steps(), random.choice(["preload", "run"]),
                        limit=(resource.RLIMIT_FSIZE, random.choice([8, 64, 300, 340, 500, 2000]) << 10),
                        about=("File too large",))


def files_are_small_and_it_hangs(random):
    """A report that is larger than a file may be is cut, or what is recorded tells; the monitor does not die of SIGXFSZ."""
    limit = random.choice([400, 500, 1000]) << 10
    with Watched(two_locks(), preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))) as program:
        program.wait_until(lambda: incidents.count(program.out), trials.PATIENCE_S)
        yield from _still_told(program)


def _in_group(procs):
    def enter():
        with open(procs, "w", encoding="ascii") as f:
            f.write(str(os.getpid()))
    return enter


def memory_of_its_group_is_used_up(random):
    """A program that takes more and more is ended by the kernel, as without us, and nobody else is."""
    with trials.memory_group(random.choice([24, 32, 64]) * MIB) as procs:
        hog, how = ["/usr/bin/tail", "/dev/zero"], random.choice(["preload", "run"])
        with Watched(hog, how=how, options=KEEP, preexec_fn=_in_group(procs)) as program:
            status = program.wait(trials.PATIENCE_S)
            if status != {"preload": -signal.SIGKILL, "run": 128 + signal.SIGKILL}[how]:
                yield Wrong("changed", "status %s" % status)
            yield from judge_end(program)
            yield from judge_recordings(program, is_whole=False)
            if not program.recordings():
                yield Wrong("lost", "there is no recording")


def _without(names, answer=""):
    return [trials.compiled(trials.HERE + "/without.c"), *("%d%s" % (CALLS[n], answer) for n in names), "--"]


def calls_are_refused(random):
    """Some of those that only we need, with an errno; to the program, and to the monitor that it starts."""
    names = random.sample(sorted(CALLS), random.choice([1, 1, 2, 4, 8]))
    filtered = [*_without(names, random.choice(["", ":38", ":12", ":11"])), *steps()]
    bare = Bare(filtered)
    if bare.stderr:  # the loader or libc needed it, too
        return
    library, program = trials.product()
    inside = random.choice([["env", "LD_PRELOAD=" + library], [program, "run", "--"]])
    watched = [*filtered[:filtered.index("--") + 1], *inside, *steps()]
    for wrong in _limited(watched, "inside", bare_argv=filtered, about=("racewatch",)):
        yield Wrong(wrong.kind, "without %s: %s" % (" ".join(names), wrong.what))


def quota_is_used_up(random):
    """Few kernels of virtual machines have quotas, so a filter answers as one whose user has no block or inode left."""
    names = random.choice([["fallocate"], ["mkdir", "mkdirat"], ["fallocate", "ftruncate", "mkdir", "mkdirat"]])
    filtered = _without(names, ":%d" % errno.EDQUOT)
    library, program = trials.product()
    inside = random.choice([["env", "LD_PRELOAD=" + library], [program, "run", "--"]])
    yield from _limited([*filtered, *inside, *steps()], "inside", bare_argv=[*filtered, *steps()], options=random.choice([KEEP, ""]),
                        about=("Disk quota exceeded",))


def tracing_is_refused(random):
    """By a filter that answers with an errno, or that kills who asks; a hang is told all the same."""
    names = random.choice([["ptrace"], ["ptrace", "process_vm_readv"], ["process_vm_readv"], ["prctl"], ["ptrace", "prctl"],
                           ["pidfd_open"], ["poll"], ["ppoll"]])
    answer = random.choice(["", ":kill"]) if names == ["ptrace"] else ""
    library, _ = trials.product()
    argv = [*_without(names, answer), "env", "LD_PRELOAD=" + library, *two_locks()]
    with Watched(argv, how="inside") as program:
        program.wait_until(lambda: incidents.count(program.out), trials.PATIENCE_S)
        for wrong in _still_told(program):
            yield Wrong(wrong.kind, "without %s%s: %s" % (" ".join(names), answer, wrong.what))


def clone_is_refused(random):
    """Neither threads nor processes: the program says so itself, and is recorded by itself."""
    names = {"clone": 56, "clone3": 435, "fork": 57, "vfork": 58}
    answer = random.choice(["", ":11", ":12"])
    filtered = [trials.compiled(trials.HERE + "/without.c"), *("%d%s" % (n, answer) for n in names.values()), "--"]
    library, _ = trials.product()
    yield from _limited([*filtered, "env", "LD_PRELOAD=" + library, *steps()], "inside", bare_argv=[*filtered, *steps()],
                        is_whole=True, about=("cannot start the monitor",))


FAULTS = (descriptors_are_few, address_space_is_small, address_space_is_small_and_it_hangs, processes_are_few,
          memory_of_its_group_is_used_up, files_are_small, files_are_small_and_it_hangs, calls_are_refused, quota_is_used_up,
          tracing_is_refused, clone_is_refused)
