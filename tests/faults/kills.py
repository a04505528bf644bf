# SPDX-License-Identifier: MIT
"""SIGKILL and SIGSTOP of the program, of the monitor, or of both, at any moment."""

import os
import shutil
import signal
import time

import trials
from trials import (Bare, Watched, Wrong, at_a_random_moment, judge_end, judge_program, judge_recordings, racewatch, send, steps,
                    two_locks, wait_until_it_hangs)
from support import incidents, processes

KEEP = "keep=always"


def _kill(random, whom):
    bare = Bare.of(steps())
    with Watched(steps(), options=KEEP) as program:
        at_a_random_moment(program, random)
        for victim in whom:
            for pid in [program.pid] if victim == "program" else program.monitors():
                send(pid, signal.SIGKILL)
        yield from judge_program(program, bare, killed="program" in whom)
        yield from judge_end(program)
        yield from judge_recordings(program)


def program_is_killed(random):
    yield from _kill(random, ["program"])


def monitor_is_killed(random):
    yield from _kill(random, ["monitor"])


def both_are_killed(random):
    yield from _kill(random, random.sample(["program", "monitor"], 2))


def program_is_killed_and_nothing_is_kept(random):
    """By default nothing is left of a run in which nothing was found: a kill while something moves is no find."""
    bare = Bare.of(steps())
    with Watched(steps()) as program:
        at_a_random_moment(program, random)
        program.kill()
        yield from judge_program(program, bare, killed=True)
        yield from judge_end(program)
        yield from judge_recordings(program, is_whole=False)
        if os.path.isdir(program.out) and not incidents.count(program.out):
            left = os.listdir(program.out)
            # Else it was killed between making its folders and starting a monitor, who would have removed them.
            if program.stdout() or left not in ([], ["recordings"]):
                yield Wrong("left", "a folder without an incident: %s" % left)


def run_is_killed(random):
    """`racewatch run` is the monitor; the program goes on without it."""
    bare = Bare.of(steps())
    with Watched(steps(), how="run") as program:
        at_a_random_moment(program, random)
        began = processes.descendants(program.pid)
        program.kill()
        program.wait(trials.PATIENCE_S)
        if not trials.no_orphans():
            yield Wrong("hung", "the program did not end after its `racewatch run` was killed")
        stdout = program.stdout()
        if began and stdout != bare.stdout:
            yield Wrong("changed", "output: %r" % stdout[-200:])
        yield from judge_recordings(program, is_whole=bool(began))


def _stop(random, whom):
    bare = Bare.of(steps())
    with Watched(steps(), options=KEEP) as program:
        at_a_random_moment(program, random)
        pids = [program.pid] if whom == "program" else program.monitors()
        for pid in pids:
            send(pid, signal.SIGSTOP)
        time.sleep(random.random() * 0.3)
        if whom == "monitor" and random.random() < 0.5:
            program.wait(trials.PATIENCE_S)  # all the rest of its life without one
        for pid in pids:
            send(pid, signal.SIGCONT)
        yield from judge_program(program, bare)
        yield from judge_end(program)
        yield from judge_recordings(program)


def program_is_stopped(random):
    yield from _stop(random, "program")


def monitor_is_stopped(random):
    yield from _stop(random, "monitor")


def program_is_killed_under_a_stopped_monitor(random):
    bare = Bare.of(steps())
    with Watched(steps(), options=KEEP) as program:
        at_a_random_moment(program, random)
        pids = program.monitors()
        for pid in pids:
            send(pid, signal.SIGSTOP)
        at_a_random_moment(program, random)
        program.kill()
        yield from judge_program(program, bare, killed=True)
        for pid in pids:
            send(pid, signal.SIGCONT)
        yield from judge_end(program)
        yield from judge_recordings(program)


def monitor_is_killed_as_it_reports(random):
    """The hang is still told, from what it had written or from the recordings; the program still hangs, and no less."""
    with Watched(two_locks()) as program:
        wait_until_it_hangs(program)
        at_a_random_moment(program, random, 3.5)
        for pid in program.monitors():
            send(pid, signal.SIGKILL)
        if program.child.poll() is not None:
            yield Wrong("changed", "it ended with status %s" % program.child.returncode)
        for tid in os.listdir("/proc/%d/task" % program.pid):
            with open("/proc/%d/task/%s/stat" % (program.pid, tid), encoding="ascii", errors="replace") as f:
                if f.read().rsplit(")", 1)[1].split()[0] in "tT":
                    yield Wrong("changed", "thread %s is left stopped" % tid)
        program.kill()
        yield from judge_end(program)
        report = racewatch("report", program.out)
        if report.returncode or "racewatch: cycle" not in report.stdout:
            yield Wrong("lost", "`racewatch report` %d: %s" % (report.returncode, (report.stdout + report.stderr)[:300]))


def program_is_killed_as_it_is_looked_at(random):
    with Watched(two_locks()) as program:
        wait_until_it_hangs(program)
        at_a_random_moment(program, random, 3.0)
        program.kill()
        program.wait(trials.PATIENCE_S)
        yield from judge_end(program)
        if os.path.isdir(program.out):
            report = racewatch("report", program.out)
            if report.returncode:
                yield Wrong("lost", "`racewatch report` %d: %s" % (report.returncode, report.stderr))


def folder_of_a_killed_run_is_used_again(random):
    """What a killed run left is no obstacle to the next, and is not taken away by it."""
    bare = Bare.of(steps(20))
    with Watched(steps(), options=KEEP) as first:
        first.wait_until(lambda: "5\n" in first.stdout(), trials.PATIENCE_S)
        for pid in [*first.monitors(), first.pid]:
            send(pid, signal.SIGKILL)
        first.wait(trials.PATIENCE_S)
        trials.no_orphans()
        before = first.recordings()
        at_a_random_moment(first, random, 0.05)
        with Watched(steps(20), env={"RACEWATCH_DIR": first.out}) as second:
            yield from judge_program(second, bare)
            yield from judge_end(second, may_leave=())
        if not set(before) <= set(first.recordings()):
            yield Wrong("lost", "the recordings of the run that was killed")
        yield from judge_recordings(first)
        shutil.rmtree(first.out)


FAULTS = (program_is_killed, monitor_is_killed, both_are_killed, program_is_killed_and_nothing_is_kept, run_is_killed,
          program_is_stopped, monitor_is_stopped, program_is_killed_under_a_stopped_monitor, monitor_is_killed_as_it_reports,
          program_is_killed_as_it_is_looked_at, folder_of_a_killed_run_is_used_again)
