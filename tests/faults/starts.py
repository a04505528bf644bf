# SPDX-License-Identifier: MIT
"""How a run is started and ended: signals that were ignored before, limits, terminals, wrappers, folders with odd names, a
/proc that is missing or hides others, a frozen group."""

import contextlib
import os
import pty
import resource
import shutil
import signal
import tempfile
import time

import trials
from trials import (Bare, NotHere, Watched, Wrong, as_nobody, at_a_random_moment, judge_end, judge_program, judge_recordings,
                    send, steps)
from support import incidents, processes

KEEP = "keep=always"


def _started(argv, how, options=KEEP, bare_argv=None, is_whole=True, about=(), during=None, env=None, **more):
    bare = Bare(bare_argv or argv, **more)
    with Watched(argv, env=env, how=how, options=options, **more) as program:
        if during:
            during(program)
        yield from judge_program(program, bare, about=about)
        yield from judge_end(program)
        yield from judge_recordings(program, is_whole=is_whole)


def _inside(how, argv):
    """The command that brings the library in by itself, behind a wrapper that is not to be watched."""
    library, program = trials.product()
    return ["env", "LD_PRELOAD=" + library, *argv] if how == "preload" else [program, "run", "--", *argv]


def signals_are_ignored(random):
    """Whoever started the run ignores ends of children, or what the terminal sends: the program inherits that, and is waited for."""
    ignored = [signal.SIGCHLD, *random.sample([signal.SIGHUP, signal.SIGINT, signal.SIGPIPE, signal.SIGXFSZ, signal.SIGTERM], 2)]
    told = ["sh", "-c", "grep SigIgn /proc/self/status; exec \"$@\"", "sh", *steps(20)]

    def ignore():
        for number in ignored:
            signal.signal(number, signal.SIG_IGN)
    yield from _started(told, random.choice(["preload", "run", "run"]), preexec_fn=ignore)


def files_may_have_no_bytes(random):
    """RLIMIT_FSIZE of 0: whoever writes to a file gets SIGXFSZ, so this program writes to none."""
    quiet = ["sh", "-c", "exec \"$@\" > /dev/null", "sh", *steps(20)]
    yield from _started(quiet, random.choice(["preload", "run"]), is_whole=False, about=("File too large",),
                        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0)))


def processor_time_is_used_up(random):
    """SIGXCPU ends the program, as without us, and the monitor has time left."""
    spin = ["sh", "-c", "while :; do :; done"]
    how = random.choice(["preload", "run"])
    with Watched(spin, how=how, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_CPU, (1, 3))) as program:
        status = program.wait(trials.PATIENCE_S)
        if status != {"preload": -signal.SIGXCPU, "run": 128 + signal.SIGXCPU}[how]:
            yield Wrong("changed", "status %s" % status)
        yield from judge_end(program)


def stack_is_unlimited(random):
    """Mappings then lie the other way round."""
    yield from _started(steps(20), random.choice(["preload", "run"]),
                        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_STACK, (resource.RLIM_INFINITY,) * 2))


def wrapper_ends_it(random):
    """timeout(1) as in a CI job, around the run or inside of it: with SIGTERM, SIGINT, or SIGKILL."""
    number = random.choice([signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGKILL])
    limit = ["timeout", "-s", str(int(number)), "%.2f" % (0.05 + 0.2 * random.random())]
    long = steps(2000)
    bare = Bare([*limit, *long])
    how, where = random.choice(["preload", "run"]), random.choice(["around", "inside"])
    argv = [*limit, *_inside(how, long)] if where == "around" else _inside(how, [*limit, *long])
    with Watched(argv, how="inside") as program:
        status = program.wait(trials.PATIENCE_S)
        if status is None:
            yield Wrong("hung", "timeout(1) did not end it")
        elif abs(status) % 128 != abs(bare.status) % 128:
            yield Wrong("changed", "status %s, bare %s" % (status, bare.status))
        # Where timeout kills `racewatch run`, the program goes on, as any child of a killed parent.
        for pid in processes.descendants():
            with contextlib.suppress(OSError):
                if os.readlink("/proc/%d/exe" % pid) == long[0]:
                    send(pid, signal.SIGKILL)
        yield from judge_end(program)
        yield from judge_recordings(program, is_whole=False)


def no_new_privileges(random):
    """As containers and systemd start their programs."""
    wrapper = ["setpriv", "--no-new-privs", *random.choice([[], ["--bounding-set", "-all"], ["--inh-caps", "-all"]])]
    yield from _started([*wrapper, *_inside(random.choice(["preload", "run"]), steps(20))], "inside",
                        bare_argv=[*wrapper, *steps(20)])


def folder_has_an_odd_name(random):
    """Spaces, new lines, what is no UTF-8, a colon; as long as a path may be, and longer; relative, to a program that goes elsewhere."""
    name = random.choice(["a b", "a\nb", "a:b", "-n", "%s%n", "\udcff\udcfe", "'\"", "ä", ".", "x" * 255, "x" * 256, "d/" * 2100, "y" * 5000, "a/../b", "here/", "/"])
    about = ("File name too long", "Operation not permitted", "not made", "cannot", "Permission denied")
    bare = Bare.of(steps(20))
    how = random.choice(["preload", "run"])
    with tempfile.TemporaryDirectory(prefix="racewatch-faults-") as folder:
        given = name if name == "/" else random.choice([name, folder + "/" + name])
        if name == "/":
            os.chmod(folder, 0o755)
            argv = as_nobody(_inside(how, steps(20)))  # who may not write there
        else:
            argv = _inside(how, ["sh", "-c", "cd / && exec \"$@\"", "sh", *steps(20)])
        with Watched(argv, env={"RACEWATCH_DIR": given}, how="inside", options="", cwd=folder) as program:
            yield from judge_program(program, bare, about=about)
            program.out = os.path.join(folder, name)
            yield from judge_end(program)
            left = [os.path.join(d, f) for d, _, files in os.walk(folder) for f in files]
            if left:
                yield Wrong("left", "%s" % left[:3])


def _mounted(script, argv):
    return ["unshare", "--mount", "sh", "-c", script + " && exec \"$@\"", "sh", *argv]


def system_folders_are_missing(random):
    """No /proc, one that hides others, no /dev/shm, a root that is read-only."""
    if os.getuid():
        raise NotHere("only root can mount a file system")
    name, script, words = random.choice([
        ("proc", "umount -l /proc", ("/proc",)),
        ("hidden", "mount -t proc -o hidepid=2 none /proc", ()),  # of its own: a remount would be everybody's
        ("shm", "umount -l /dev/shm", ()),
        ("root", "mount -o bind,remount,ro /", ("Read-only file system",)),
        ("tmp", "mount -t tmpfs -o ro none /var/tmp", ()),
    ])
    how = random.choice(["preload", "run"])
    argv = _inside(how, steps(20))
    if name == "hidden":
        argv = as_nobody(argv)
    bare_argv = as_nobody(steps(20)) if name == "hidden" else steps(20)
    options = random.choice([KEEP, ""])
    for wrong in _started(_mounted(script, argv), "inside", bare_argv=_mounted(script, bare_argv),
                          is_whole=options == KEEP and name not in ("proc", "root"), about=words, options=options, folder_mode=0o777):
        yield Wrong(wrong.kind, "%s, %s: %s" % (name, how, wrong.what))


def pid_is_one(random):
    """As in a container: `racewatch run` is its first process."""
    _, program = trials.product()
    flags = ["unshare", "--pid", "--fork", *random.choice([[], ["--mount-proc"]])]
    yield from _started([*flags, program, "run", "--", *steps(20)], "inside", bare_argv=[*flags, *steps(20)], is_whole=False)


def _on_a_terminal(argv, env, keys, folder):
    """Its status, or None: it did not end. `keys`: [(after seconds, bytes or None for a hangup)]."""
    pid, terminal = pty.fork()
    if pid == 0:
        for number in (signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_DFL)
        os.chdir(folder)
        output = os.open("stdout", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        os.dup2(output, 1)
        os.execvpe(argv[0], argv, env)
    for after, key in keys:
        time.sleep(after)
        with contextlib.suppress(OSError):
            if key is None:
                os.close(terminal)
                terminal = -1
            else:
                os.write(terminal, key)
                if key == b"\x1a":
                    time.sleep(0.05)
                    os.killpg(pid, signal.SIGCONT)
    end = time.monotonic() + 20
    status = None
    while status is None and time.monotonic() < end:
        ended, how = os.waitpid(pid, os.WNOHANG)
        status = os.waitstatus_to_exitcode(how) if ended else None
        time.sleep(0.02)
    if terminal >= 0:
        os.close(terminal)
    if status is None:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    return status


def terminal_sends_signals(random):
    """Ctrl-C, once and twice, Ctrl-Z and on, Ctrl-backslash, a hangup."""
    name, keys = random.choice([("Ctrl-C", [b"\x03"]), ("Ctrl-C twice", [b"\x03", b"\x03"]), ("Ctrl-Z", [b"\x1a"]),
                                ("Ctrl-\\", [b"\x1c"]), ("hangup", [None])])
    moment = 0.1 + 0.2 * random.random()
    keys = [(moment if i == 0 else 0.05, key) for i, key in enumerate(keys)]
    how = random.choice(["preload", "run"])
    argv = steps(400)
    env = dict(processes.clean_environment())
    with tempfile.TemporaryDirectory(prefix="racewatch-faults-") as folder:
        bare = _on_a_terminal(argv, env, keys, folder)
        trials.no_orphans()
        env["RACEWATCH_DIR"] = folder + "/out"
        began = time.monotonic()
        status = _on_a_terminal(_inside(how, argv), env, keys, folder)
        took = time.monotonic() - began
        if status is None:
            yield Wrong("hung", "%s, %s: it did not end" % (name, how))
        elif abs(status) % 128 != abs(bare) % 128:
            yield Wrong("changed", "%s, %s: status %s, bare %s" % (name, how, status, bare))
        if not trials.no_orphans():
            yield Wrong("hung", "%s, %s: the monitor did not end, after %.1f s" % (name, how, took))
        # `racewatch run` tells what the run stood at when it was ended.
        if os.path.isdir(folder + "/out") and not incidents.count(folder + "/out"):
            yield Wrong("left", "%s, %s: %s" % (name, how, os.listdir(folder + "/out")))


@contextlib.contextmanager
def _freezer():
    """(cgroup.procs, what freezes, what thaws) of a cgroup of its own."""
    for base, state, words in (("/sys/fs/cgroup/freezer", "freezer.state", ("FROZEN", "THAWED")),
                               ("/sys/fs/cgroup", "cgroup.freeze", ("1", "0"))):
        folder = os.path.join(base, "racewatch-faults-%d" % os.getpid())
        with contextlib.suppress(OSError):
            os.mkdir(folder)
            break
    else:
        raise NotHere("no cgroup that freezes can be made here")
    try:
        def write(name, text):
            with open(os.path.join(folder, name), "w", encoding="ascii") as f:
                f.write(text)
        yield write, state, words
    finally:
        trials.no_orphans()
        os.rmdir(folder)


def group_is_frozen(random):
    """The program, its monitor, or both, as a container is that is paused."""
    with _freezer() as (write, state, words):
        def freeze(program):
            at_a_random_moment(program, random)
            whom = random.choice([[program.pid], program.monitors(), [program.pid, *program.monitors()]])
            for pid in whom:
                with contextlib.suppress(OSError):
                    write("cgroup.procs", str(pid))
            write(state, words[0])
            time.sleep(random.random() * 0.5)
            write(state, words[1])
        yield from _started(steps(), random.choice(["preload", "run"]), during=freeze)


def program_execs_under_a_stopped_monitor(random):
    """Twenty programs, one after the other in the same process, while nobody watches."""
    argv = steps(5)
    for _ in range(20):
        argv = ["env", *argv]

    def stop(program):
        at_a_random_moment(program, random, 0.1)
        pids = program.monitors()
        for pid in pids:
            send(pid, signal.SIGSTOP)
        time.sleep(random.random() * 0.2)
        for pid in pids:
            send(pid, signal.SIGCONT)
    yield from _started(argv, "preload", during=stop)


def pids_come_again_in_the_next_run(random):
    """What a killed run left is of the same pids as the next one's: neither is taken for the other."""
    if os.getuid():
        raise NotHere("only root can make a pid namespace")
    library, _ = trials.product()
    begin = ["unshare", "--pid", "--fork", "--mount-proc", "sh", "-c"]
    killed = "echo 499 > /proc/sys/kernel/ns_last_pid; \"$@\" > /dev/null & sleep 0.%d; kill -9 500" % random.randint(1, 9)
    second = "echo 499 > /proc/sys/kernel/ns_last_pid; \"$@\""
    bare = Bare([*begin, second, "sh", *steps(20)])
    with Watched([*begin, killed, "sh", "env", "LD_PRELOAD=" + library, *steps(2000)], how="inside", options=KEEP) as first:
        first.wait(trials.PATIENCE_S)
        yield from judge_end(first)
        before = {path: os.path.getsize(path) for path in first.recordings()}
        with Watched([*begin, second, "sh", "env", "LD_PRELOAD=" + library, *steps(20)], env={"RACEWATCH_DIR": first.out},
                     how="inside", options=KEEP) as program:
            yield from judge_program(program, bare)
            yield from judge_end(program)
        if not before or not set(before) <= set(first.recordings()):
            yield Wrong("lost", "the recordings of the run that was killed: %s" % list(before))
        yield from judge_recordings(first, is_whole=False)
        shutil.rmtree(first.out)


FAULTS = (signals_are_ignored, files_may_have_no_bytes, processor_time_is_used_up, stack_is_unlimited, wrapper_ends_it,
          no_new_privileges, folder_has_an_odd_name, system_folders_are_missing, pid_is_one, terminal_sends_signals,
          group_is_frozen, program_execs_under_a_stopped_monitor, pids_come_again_in_the_next_run)
