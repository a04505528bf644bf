# SPDX-License-Identifier: MIT
"""Namespaces, pids that come again, clocks that jump, a recording that its program spoils, and more transitions than
anybody could read."""

import os
import subprocess
import tempfile

import trials
from trials import Bare, NotHere, Watched, Wrong, at_a_random_moment, judge_end, judge_program, judge_recordings, racewatch, steps, two_locks
from support import incidents

KEEP = "keep=always"
STORM_S = 4
FAKETIME = "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1"


def _unshare(*flags):
    argv = ["unshare", *flags]
    if os.getuid() or subprocess.run([*argv, "true"], check=False, stderr=subprocess.DEVNULL).returncode:
        raise NotHere("no `%s` here" % " ".join(argv))
    return argv


def _judge(argv, how="preload", bare_argv=None, env=None, is_whole=True, **more):
    bare = Bare(bare_argv or argv, env)
    with Watched(argv, env=env, how=how, options=KEEP, **more) as program:
        yield from judge_program(program, bare)
        yield from judge_end(program)
        yield from judge_recordings(program, is_whole=is_whole)


def namespaces(random):
    """The whole run in namespaces of its own; or the program leaves ours after the library was loaded, and before."""
    flags = [f for f in ("--user", "--mount", "--net", "--uts", "--ipc", "--cgroup") if random.random() < 0.4]
    flags += ["--map-root-user"] if "--user" in flags else []
    flags += random.choice([[], ["--pid", "--fork"], ["--pid", "--fork", "--mount-proc"]])
    argv = [*_unshare(*flags), *steps()]
    # In a pid namespace of its own a recording is of another pid than ours for it: so all of them are looked at.
    where = random.choice(["preload", "run", "inside"])
    if where == "inside":
        library, _ = trials.product()
        inside = [*_unshare(*flags), "env", "LD_PRELOAD=" + library, *steps()]
        yield from _judge(inside, "inside", bare_argv=argv)
    else:
        yield from _judge(argv, where, is_whole=where == "run")


def _executable(pid):
    try:
        return os.readlink("/proc/%d/exe" % pid)
    except OSError:
        return ""


def pid_namespace_and_it_hangs(random):
    """pid 1 of its namespace gets orphans back, so there the monitor cannot be hidden as elsewhere."""
    library, _ = trials.product()
    flags = random.choice([["--pid", "--fork", "--mount-proc"], ["--pid", "--fork", "--user", "--map-root-user", "--mount-proc"]])
    with Watched([*_unshare(*flags), "env", "LD_PRELOAD=" + library, *two_locks()], how="inside") as program:
        program.wait_until(lambda: incidents.count(program.out), trials.PATIENCE_S)
        found = [i.verdict["class"] for i in incidents.all_of(program.out)]
        if found != ["cycle"]:
            yield Wrong("lost", "the hang was told as %s" % found)
        for pid in trials.processes.descendants(program.pid):
            # Where this runs in a chroot, the path from another mount namespace begins at the real root.
            if _executable(pid).endswith(two_locks()[0]):
                trials.send(pid, 9)
        program.wait(trials.PATIENCE_S)
        yield from judge_end(program)


def pids_come_again(random):
    """Twenty children in a row have the same pid: none is taken for the one before."""
    flags = ["--pid", "--fork", "--mount-proc"]
    argv = [*_unshare(*flags), trials.compiled(trials.HERE + "/same_pid.c")]
    library, _ = trials.product()
    how = random.choice(["run", "inside"])
    watched = argv if how == "run" else [*argv[:-1], "env", "LD_PRELOAD=" + library, argv[-1]]
    bare = Bare(argv)
    with Watched(watched, how=how, options=KEEP) as program:
        yield from judge_program(program, bare)
        yield from judge_end(program)
        names = {os.path.basename(path) for path in program.recordings()}
        if len([n for n in names if n.startswith("500-")]) != 20:
            yield Wrong("lost", "recordings of the twenty: %s" % sorted(names))


def clock_namespace(random):
    """CLOCK_MONOTONIC and CLOCK_BOOTTIME are elsewhere: for the whole run, or for a child of a run."""
    jump = random.choice([1000, 10 ** 6, 10 ** 8])
    argv = [*_unshare("--time", "--fork", "--monotonic", str(jump), "--boottime", str(jump * random.choice([1, 2]))), *steps()]
    library, _ = trials.product()
    where = random.choice(["run", "preload", "inside"])
    watched = argv if where != "inside" else [*argv[:-len(steps())], "env", "LD_PRELOAD=" + library, *steps()]
    yield from _judge(watched, where, bare_argv=argv, is_whole=where == "inside")


def clock_jumps(random):
    """libfaketime beside us, before or after: the program's clocks run fast, slow, or from another year."""
    if not os.path.exists(FAKETIME):
        raise NotHere("libfaketime is not installed")
    env = {"FAKETIME": random.choice(["+5d", "-3y", "+0 x20", "+0 x0.7", "@2001-01-01 00:00:00", "+1d x3"]),
           "FAKETIME_DONT_RESET": "1"}
    library, _ = trials.product()
    both = random.choice([library + ":" + FAKETIME, FAKETIME + ":" + library])
    bare = Bare(["env", "LD_PRELOAD=" + FAKETIME, *steps(20)], env)
    with Watched(["env", "LD_PRELOAD=" + both, *steps(20)], env=env, how="inside", options=KEEP) as program:
        yield from judge_program(program, bare)
        yield from judge_end(program)
        yield from judge_recordings(program)


def clock_is_set(random):
    """CLOCK_REALTIME jumps in the middle, by days, for the program and the monitor; the other clocks go on. No namespace has a
    CLOCK_REALTIME of its own, and this machine's is everybody's: so it is libfaketime that sets it."""
    if not os.path.exists(FAKETIME):
        raise NotHere("libfaketime is not installed")
    with tempfile.TemporaryDirectory(prefix="racewatch-faults-") as folder:
        clock = os.path.join(folder, "clock")

        def set_clock(offset):
            with open(clock + ".new", "w", encoding="ascii") as f:
                f.write(offset + "\n")
            os.rename(clock + ".new", clock)

        env = {"LD_PRELOAD": FAKETIME, "FAKETIME_TIMESTAMP_FILE": clock, "FAKETIME_NO_CACHE": "1", "FAKETIME_DONT_RESET": "1",
               "FAKETIME_DONT_FAKE_MONOTONIC": "1"}
        set_clock("+0")
        bare = Bare(steps(), env)
        how = random.choice(["preload", "run"])
        with Watched(steps(), env=env, how=how, options=KEEP) as program:
            for _ in range(random.randint(1, 4)):
                at_a_random_moment(program, random)
                set_clock(random.choice(["-3d", "+30d", "+2h", "-1y", "+0"]))
            yield from judge_program(program, bare)
            yield from judge_end(program)
            yield from judge_recordings(program)


def recording_is_spoilt(random):
    """By the program that it was mapped into, all over, while it goes on and the monitor reads."""
    argv = steps(trials.STEPS, "spoil", random.randint(1, 10 ** 9))
    yield from _judge(argv, random.choice(["preload", "run"]), bare_argv=steps(), is_whole=False)


def storm(random):
    """As many transitions as go, for --storm=SECONDS; the monitor keeps up, and neither grows."""
    argv = [trials.compiled(trials.HERE + "/storm.c"), str(STORM_S)]
    bare = Bare([argv[0], "1"])
    with Watched(argv, how=random.choice(["preload", "run"]), options=KEEP) as program:
        status = program.wait(STORM_S + trials.PATIENCE_S)
        if status is None:
            yield Wrong("hung", "the storm did not end")
        yield from judge_program(program, bare)
        yield from judge_end(program)
        for path in program.recordings():
            shown = racewatch("recording", path)
            if shown.returncode or "storm.py::test_" not in shown.stdout:
                yield Wrong("lost", "its recording: %d %s" % (shown.returncode, shown.stderr[:200]))
            if os.path.getsize(path) > 2 << 20:
                yield Wrong("left", "a recording of %d bytes" % os.path.getsize(path))


FAULTS = (namespaces, pid_namespace_and_it_hangs, pids_come_again, clock_namespace, clock_jumps, clock_is_set, recording_is_spoilt, storm)
