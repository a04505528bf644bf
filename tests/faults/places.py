# SPDX-License-Identifier: MIT
"""The folder: too small, filled up, read-only, out of inodes, taken away, not to be entered, used by two runs at once."""

import contextlib
import os
import re
import shutil
import signal
import subprocess
import tempfile

import trials
from trials import (Bare, NotHere, Watched, Wrong, as_nobody, at_a_random_moment, judge_end, judge_program, judge_recordings,
                    racewatch, send, steps, two_locks)
from support import incidents

KEEP = "keep=always"


@contextlib.contextmanager
def small_disk(options):
    """A tmpfs of its own; in the mount namespace that the runner made for itself."""
    if os.getuid():
        raise NotHere("only root can mount a file system")
    folder = tempfile.mkdtemp(prefix="racewatch-faults-disk-")
    try:
        subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=0777," + options, "none", folder], check=True)
        try:
            yield folder
        finally:
            subprocess.run(["umount", "-l", folder], check=False, stderr=subprocess.DEVNULL)
    finally:
        shutil.rmtree(folder, True)


def _on(folder, argv, bare_argv=None, options="", about=(), during=None, is_whole=False, **more):
    bare = Bare.of(bare_argv or argv)
    with Watched(argv, env={"RACEWATCH_DIR": os.path.join(folder, "out")}, options=options, **more) as program:
        if during:
            during(program)
        yield from judge_program(program, bare, about=about)
        yield from judge_end(program)
        yield from judge_recordings(program, is_whole=is_whole)


def disk_is_small(random):
    kib = random.choice([4, 16, 64, 100, 300, 340, 400, 600, 1000, 2000])
    with small_disk("size=%dk" % kib) as folder:
        how = random.choice(["preload", "run"])
        yield from _on(folder, steps(), options=random.choice([KEEP, ""]), how=how, about=("No space left",))


def disk_is_an_overlay(random):
    """As a container's is: file and mapping are two inodes there."""
    with small_disk("size=64m") as folder:
        for name in ("lower", "upper", "work", "both"):
            os.mkdir(os.path.join(folder, name), 0o777)
        mounted = subprocess.run(["mount", "-t", "overlay", "-o", "lowerdir=lower,upperdir=upper,workdir=work", "none", "both"],
                                 cwd=folder, check=False, stderr=subprocess.DEVNULL)
        if mounted.returncode:
            raise NotHere("overlayfs cannot be mounted here")
        try:
            yield from _on(os.path.join(folder, "both"), steps(), options=KEEP, how=random.choice(["preload", "run"]), is_whole=True)
        finally:
            subprocess.run(["umount", "-l", os.path.join(folder, "both")], check=False)


def inodes_are_few(random):
    with small_disk("size=64m,nr_inodes=%d" % random.randint(2, 14)) as folder:
        yield from _on(folder, steps(), options=KEEP, how=random.choice(["preload", "run"]), about=("No space left",))


def disk_fills_up(random):
    def fill(program):
        at_a_random_moment(program, random)
        with contextlib.suppress(OSError), open(os.path.join(folder, "other"), "wb", buffering=0) as f:
            while True:
                f.write(b"x" * 65536)
    with small_disk("size=%dm" % random.randint(1, 12)) as folder:
        yield from _on(folder, steps(), options=KEEP, during=fill, about=("No space left",))


def disk_is_full_when_threads_come(random):
    """There was room for the recording, and there is none for it to grow: those threads are not recorded, and live."""
    with small_disk("size=%dk" % random.choice([600, 1000, 2000])) as folder, \
            tempfile.TemporaryDirectory(prefix="racewatch-faults-") as signs:
        argv = [trials.compiled(trials.HERE + "/crowd.c"), "600", signs + "/go"]

        def fill(program):
            program.wait_until(lambda: "here" in program.stdout(), trials.PATIENCE_S)
            with contextlib.suppress(OSError), open(os.path.join(folder, "other"), "wb", buffering=0) as f:
                while True:
                    f.write(b"x" * 4096)
            open(signs + "/go", "w", encoding="ascii").close()

        open(signs + "/go", "w", encoding="ascii").close()
        bare = Bare(argv)
        os.unlink(signs + "/go")
        with Watched(argv, env={"RACEWATCH_DIR": os.path.join(folder, "out")}, options=KEEP) as program:
            fill(program)
            yield from judge_program(program, bare, about=("No space left",))
            yield from judge_end(program)
            for path in program.recordings():
                shown = racewatch("recording", path)
                refused = re.search(r"refused=(\d+)", shown.stdout)
                if shown.returncode or not refused or not int(refused[1]):
                    yield Wrong("lost", "its recording, which knows of no thread that it had no room for: %d %s"
                                % (shown.returncode, (shown.stdout + shown.stderr)[:300]))


def disk_is_full_when_it_is_to_be_reported(random):
    """There was room to record, and there is none for the report: what was recorded tells."""
    with small_disk("size=4m") as folder, Watched(two_locks(), env={"RACEWATCH_DIR": folder + "/out"}) as program:
        program.watch.close()
        _await(lambda: program.recordings())
        with contextlib.suppress(OSError), open(os.path.join(folder, "other"), "wb", buffering=0) as f:
            while True:
                f.write(b"x" * random.choice([4096, 16384]))
        _await(lambda: any(name.endswith("-cycle") for name in os.listdir(program.out)), for_s=15)
        program.kill()
        yield from judge_end(program)
        report = racewatch("report", program.out)
        if "cycle" not in report.stdout + report.stderr + " ".join(os.listdir(program.out)):
            yield Wrong("lost", "`racewatch report`: " + report.stdout[:200] + report.stderr[:200])
        if report.returncode < 0 or len(report.stderr.splitlines()) > 3:
            yield Wrong("unclear", "`racewatch report` %d: %s" % (report.returncode, report.stderr[:300]))
        program.watch = trials.processes.FolderWatch(program.folder)


def disk_fills_up_under_a_second_report(random):
    """However little room there is left: the index is one that can be read, and the first run's incident is in it."""
    with small_disk("size=4m") as folder:
        env = {"RACEWATCH_DIR": folder + "/out"}
        with Watched(two_locks(), env=env) as first:
            _await(lambda: incidents.count(first.out))
            first.kill()
            yield from judge_end(first)
        with Watched(two_locks(), env=env) as second:
            _await(lambda: len(os.listdir(folder + "/out/recordings")) > 1 and len(second.recordings()) > 1)
            with contextlib.suppress(OSError), open(os.path.join(folder, "other"), "wb", buffering=0) as f:
                while True:
                    f.write(b"x" * 4096)
            with contextlib.suppress(OSError):
                other = os.path.join(folder, "other")
                os.truncate(other, os.path.getsize(other) - random.randint(0, 12) * 4096)
            _await(lambda: len([n for n in os.listdir(second.out) if n.endswith("-cycle")]) > 1, for_s=15)
            second.kill()
            yield from judge_end(second)
        index = incidents.index(folder + "/out")
        classes = [row["class"] for row in index["incidents"]] if index else []
        if classes not in (["cycle"], ["cycle", "cycle"]):
            yield Wrong("lost", "the index: %s" % classes)
        odd = [n for n in os.listdir(folder + "/out") if n.startswith((".index", "index.json."))]
        if odd:
            yield Wrong("left", "%s" % odd)


def _await(predicate, for_s=trials.PATIENCE_S):
    """A mounted folder tells no inotify of ours; so it is asked again and again."""
    end = trials.time.monotonic() + for_s
    while not predicate() and trials.time.monotonic() < end:
        trials.time.sleep(0.02)


def disk_is_read_only(random):
    with small_disk("size=8m") as folder:
        if random.random() < 0.5:
            os.mkdir(folder + "/out")
        subprocess.run(["mount", "-o", "remount,ro", folder], check=True)
        yield from _on(folder, steps(), how=random.choice(["preload", "run"]), about=("Read-only file system",))


def folder_vanishes(random):
    def take_away(program):
        at_a_random_moment(program, random)
        how = random.choice(["rename", "remove"])
        with contextlib.suppress(OSError):
            if how == "rename":
                os.rename(program.out, program.out + "-renamed")
            else:
                shutil.rmtree(program.out)
    with tempfile.TemporaryDirectory(prefix="racewatch-faults-") as folder:
        yield from _on(folder, steps(), options=random.choice([KEEP, ""]), during=take_away, about=("No such file",))


def disk_vanishes(random):
    def take_away(program):
        at_a_random_moment(program, random)
        subprocess.run(["umount", "-l", folder], check=True)
    with small_disk("size=16m") as folder:
        yield from _on(folder, steps(), options=KEEP, during=take_away, about=("No such file",))


def folder_may_not_be_entered(random):
    library, program = trials.product()
    argv = random.choice([["env", "LD_PRELOAD=" + library, *steps()], [program, "run", "--", *steps()]])
    with tempfile.TemporaryDirectory(prefix="racewatch-faults-") as folder:
        os.chmod(folder, random.choice([0o700, 0o755, 0o711]))
        if random.random() < 0.5:
            os.mkdir(folder + "/out", 0o755)
        yield from _on(folder, as_nobody(argv), bare_argv=as_nobody(steps()), how="inside", cwd="/", folder_mode=0o777,
                       about=("Permission denied", "Operation not permitted"))


def links_lie_in_wait(random):
    """Nothing is written through a link, symbolic or hard, that somebody put into the folder."""
    with tempfile.TemporaryDirectory(prefix="racewatch-faults-") as folder:
        out, secret, elsewhere = folder + "/out", folder + "/secret", folder + "/elsewhere"
        os.makedirs(elsewhere)
        os.mkdir(out)
        with open(secret, "w", encoding="ascii") as f:
            f.write("mine")
        names = random.sample(["index.json", "001-cycle", "recordings", ".index.json.1"], 3)
        for name in names:
            target = random.choice([secret, elsewhere]) if name != "recordings" else elsewhere
            if target == secret and random.random() < 0.5:
                os.link(target, os.path.join(out, name))
            else:
                os.symlink(target, os.path.join(out, name))
        with Watched(two_locks(), env={"RACEWATCH_DIR": out}) as program:
            if "recordings" in names:  # it is refused, and nobody watches
                program.wait(0.5)
            else:
                _await(lambda: any(n.endswith("-cycle") and n not in names for n in os.listdir(out)))
            program.kill()
            yield from judge_end(program)
        with open(secret, encoding="ascii") as f:
            if f.read() != "mine" or os.listdir(elsewhere):
                yield Wrong("changed", "what the link led to: %s" % os.listdir(elsewhere))


def two_runs_in_one_folder(random):
    bare = Bare.of(steps(30))
    with tempfile.TemporaryDirectory(prefix="racewatch-faults-") as folder, contextlib.ExitStack() as stack:
        env = {"RACEWATCH_DIR": folder + "/out"}
        runs = [stack.enter_context(Watched(steps(30), env=env, how=random.choice(["preload", "run"])))
                for _ in range(random.randint(2, 4))]
        hanging = stack.enter_context(Watched(two_locks(), env=env))
        victim = random.choice(runs)
        at_a_random_moment(victim, random)
        is_hurt = random.random() < 0.5
        if is_hurt:
            send(victim.pid, signal.SIGKILL)
        for run in runs:
            yield from judge_program(run, bare, killed=is_hurt and run is victim)
        _await(lambda: incidents.count(hanging.out))
        if incidents.count(hanging.out) != 1:
            yield Wrong("lost", "%d incidents of one hang" % incidents.count(hanging.out))
        hanging.kill()
        hanging.wait(trials.PATIENCE_S)
        yield from judge_end(hanging)
        if incidents.count(hanging.out) != 1:
            yield Wrong("lost", "the incident is no longer in the index")


FAULTS = (disk_is_small, disk_is_an_overlay, inodes_are_few, disk_fills_up, disk_is_full_when_threads_come,
          disk_is_full_when_it_is_to_be_reported, disk_fills_up_under_a_second_report, disk_is_read_only, folder_vanishes,
          disk_vanishes, folder_may_not_be_entered, links_lie_in_wait, two_runs_in_one_folder)
