#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""
Runs every Python of this machine under the shim, and reads in the recordings what was seen of its interpreters.

The session is made here, so no monitor is started: what is tested is what the shim writes.
"""

import collections
import contextlib
import glob
import os
import re
import subprocess
import sys
import sysconfig
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(os.path.dirname(HERE)))
sys.path[:0] = [HERE, os.path.join(TOP, "tests")]
import programs  # noqa: E402
from support import closing, machine  # noqa: E402

LIBRARY = os.path.join(TOP, "shim/libracewatch.so")
DEADLINE_S = 60

Recording = collections.namedtuple("Recording", "hooks problems milestones interpreters threads events")
Interpreter = collections.namedtuple("Interpreter", "id address state creator destroyer")
Thread = collections.namedtuple("Thread", "tid creator creator_interpreter op op_interpreter")


def read(path):
    lines = subprocess.run([os.path.join(HERE, "recording_lines"), path], stdout=subprocess.PIPE, text=True, check=True).stdout
    found = Recording({}, [], {}, [], [], [])
    for word, _, rest in (line.partition(" ") for line in lines.splitlines()):
        values = rest.split(" ")
        if word == "hook":
            found.hooks[values[0]] = values[1]
        elif word == "problem":
            found.problems.append(rest)
        elif word == "milestone":
            found.milestones[values[0]] = values[1] == "1"
        elif word == "interpreter":
            found.interpreters.append(Interpreter(int(values[0]), values[1], values[2], int(values[3]), int(values[4])))
        elif word == "thread":
            found.threads.append(Thread(int(values[0]), int(values[1]), int(values[2]), values[3], int(values[4])))
        elif word == "event":
            found.events.append((values[1], int(values[2])))
    return found


class Run:
    """A program under the shim, in a session of its own; read() gives its newest recording."""

    def __init__(self, folder, command, **environment):
        self.session = tempfile.mkdtemp(dir=folder)
        environment = dict(os.environ, LD_PRELOAD=LIBRARY, RACEWATCH_SESSION="%d:%s" % (os.getpid(), self.session),
                           **environment)
        self.process = subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                        stderr=subprocess.STDOUT, text=True)

    def end(self):
        output, _ = self.process.communicate(timeout=DEADLINE_S)
        return self.process.returncode, output

    def read(self):
        paths = glob.glob("%s/%d-*.rec" % (self.session, self.process.pid))
        return read(max(paths, key=os.path.getmtime)) if paths else None


def ended(folder, command, problems, expected=0, **environment):
    run = Run(folder, command, **environment)
    status, output = run.end()
    if status != expected:
        problems.append("exit status %d: %s" % (status, output[-600:]))
    return run.read()


def expect(problems, condition, sentence, *values):
    if not condition:
        problems.append(sentence + "".join(": %r" % (v,) for v in values))


def whole_life(recording, problems, subinterpreters):
    """The recording tells of so many subinterpreters, each made and destroyed once, and of one finalisation."""
    for number in range(1, subinterpreters + 1):
        found = [i for i in recording.interpreters if i.id == number]
        expect(problems, len(found) == 1 and found[0].state == "destroyed", "interpreter %d" % number, recording.interpreters)
        for kind in ("new-end", "destroy-begin", "destroy-end"):
            expect(problems, recording.events.count((kind, number)) == 1, "%s of %d" % (kind, number), recording.events)
    kinds = [kind for kind, _ in recording.events]
    for kind in ("new-begin", "new-end", "destroy-begin", "destroy-end"):
        expect(problems, kinds.count(kind) == subinterpreters, "events %s" % kind, recording.events)
    expect(problems, kinds[-2:] == ["finalize-begin", "finalize-end"] and kinds.count("finalize-begin") == 1,
           "one finalisation, at the end", recording.events)
    expect(problems, recording.milestones == {"finalize-begin": True, "finalize-end": True}, "milestones", recording.milestones)
    main = [i for i in recording.interpreters if i.id == 0]
    expect(problems, len(main) == 1 and main[0].state == "destroyed" and main[0].creator == 0, "main interpreter", main)
    expect(problems, all(t.op == "none" for t in recording.threads), "no call is open", recording.threads)


def all_by_entry(recording, problems):
    ways = collections.Counter(recording.hooks.values())
    expect(problems, ways["entry"] >= 4 and set(ways) <= {"entry", "absent"}, "functions patched at their entry", recording.hooks)
    expect(problems, not recording.problems, "problems", recording.problems)


def create_and_destroy(folder, python, *options, **environment):
    problems = []
    recording = ended(folder, [python, *options, "-c", programs.CREATE_AND_DESTROY], problems, **environment)
    all_by_entry(recording, problems)
    whole_life(recording, problems, 1)
    return problems


def run_in_subinterpreter(folder, python):
    problems = []
    recording = ended(folder, [python, "-c", programs.RUN_IN_SUBINTERPRETER], problems)
    whole_life(recording, problems, 1)
    made = [t.creator_interpreter for t in recording.threads if t.creator]
    expect(problems, made == [1], "the thread's creator is known to be in the subinterpreter", made)
    return problems


def destroyed_by_another_thread(folder, python):
    problems = []
    recording = ended(folder, [python, "-c", programs.DESTROY_ELSEWHERE], problems)
    one = [i for i in recording.interpreters if i.id == 1]
    expect(problems, len(one) == 1 and 0 < one[0].creator != one[0].destroyer > 0, "creator and destroyer differ", one)
    made = [t.creator_interpreter for t in recording.threads if t.creator]
    expect(problems, made == [0], "the thread's creator is in the main interpreter", made)
    return problems


def several_at_once(folder, python):
    problems = []
    recording = ended(folder, [python, "-c", programs.SEVERAL_AT_ONCE], problems)
    destroyed = sorted(i.id for i in recording.interpreters if i.state == "destroyed" and i.id)
    expect(problems, destroyed == list(range(1, 49)), "each is recorded and destroyed", recording.interpreters)
    expect(problems, not recording.problems, "problems", recording.problems)
    return problems


def more_than_the_table_holds(folder, python):
    problems = []
    recording = ended(folder, [python, "-c", programs.MORE_THAN_THE_TABLE_HOLDS], problems)
    expect(problems, len(recording.problems) == 1 and "more are alive" in str(recording.problems), "one problem", recording.problems)
    expect(problems, len(recording.interpreters) == 64, "the table is full", len(recording.interpreters))
    return problems


def exit_status(folder, python):
    problems = []
    whole_life(ended(folder, [python, "-c", programs.EXIT_3], problems, expected=3), problems, 1)
    return problems


def destroy_blocked(folder, python):
    """Killed in the middle: the recording says which interpreter was being destroyed, and by whom."""
    problems = []
    run = Run(folder, [python, "-c", programs.DESTROY_BLOCKED])
    end = time.monotonic() + DEADLINE_S
    recording = None
    while time.monotonic() < end and run.process.poll() is None:
        with contextlib.suppress(subprocess.CalledProcessError):
            recording = run.read()
        if recording and any(t.op == "destroy" for t in recording.threads) and len(recording.threads) > 1:
            break
        time.sleep(0.02)  # between two looks at a file that nobody announces changes of
    run.process.kill()
    run.end()
    recording = run.read()
    pid = run.process.pid
    expect(problems, [(t.op, t.op_interpreter) for t in recording.threads if t.tid == pid] == [("destroy", 1)],
           "the thread is in destroy", recording.threads)
    one = [(i.state, i.creator, i.destroyer) for i in recording.interpreters if i.id == 1]
    expect(problems, one == [("destroying", pid, pid)], "interpreter 1", recording.interpreters)
    expect(problems, [t.creator_interpreter for t in recording.threads if t.tid != pid] == [1], "its thread", recording.threads)
    return problems


def without_new_code(folder, python):
    """Where a policy forbids to change code, calls from extension modules are seen, and the rest is said."""
    problems = []
    recording = ended(folder, [os.path.join(HERE, "no_new_code"), python, "-c", programs.CREATE_AND_DESTROY], problems)
    expect(problems, "got" in recording.hooks.values() and "entry" not in recording.hooks.values(), "hooks", recording.hooks)
    expect(problems, any("policy" in p for p in recording.problems), "the reason is said", recording.problems)
    expect(problems, [(i.id, i.state) for i in recording.interpreters if i.id == 1] == [(1, "destroyed")],
           "the extension module's calls are seen", recording.interpreters)
    return problems


EMBED = os.path.join(HERE, "embed.c")


def build_embedding(folder, libpython):
    program = os.path.join(folder, "embed-" + re.sub(r"\W", "-", libpython))
    if not os.path.exists(program):
        subprocess.run(["gcc", "-D_GNU_SOURCE", "-DLIBPYTHON", "-o", program, EMBED, libpython,
                        "-Wl,-rpath," + os.path.dirname(libpython)], check=True)
    return program


def home_of(libpython):
    """Where that Python's library is: an embedded one guesses by the PATH else."""
    prefix = os.path.dirname(os.path.dirname(libpython))
    return {} if prefix.startswith("/usr") else {"PYTHONHOME": prefix}


def embedded(folder, libpython):
    problems = []
    recording = ended(folder, [build_embedding(folder, libpython)], problems, **home_of(libpython))
    all_by_entry(recording, problems)
    whole_life(recording, problems, 2)
    return problems


def loaded_late(folder, libpython):
    problems = []
    recording = ended(folder, [os.path.join(HERE, "embed"), libpython], problems, **home_of(libpython))
    all_by_entry(recording, problems)
    whole_life(recording, problems, 2)
    return problems


def loaded_late_with_threads(folder, libpython):
    """Of the second one, which an extension module makes and destroys, all is seen; the rest is said."""
    problems = []
    recording = ended(folder, [os.path.join(HERE, "embed"), libpython, "threaded"], problems, **home_of(libpython))
    expect(problems, "got" in recording.hooks.values() and "entry" not in recording.hooks.values(), "hooks", recording.hooks)
    expect(problems, any("threads" in p for p in recording.problems), "the reason is said", recording.problems)
    expect(problems, [(i.id, i.state) for i in recording.interpreters if i.id == 2] == [(2, "destroyed")],
           "the extension module's calls are seen", recording.interpreters)
    return problems


def supported(version):
    return tuple(int(n) for n in version.split(".")) >= (3, 8)


def libpythons():
    folders = ["/usr/lib/" + (sysconfig.get_config_var("MULTIARCH") or "")]
    folders += [os.path.join(os.path.dirname(os.path.dirname(p)), "lib") for p in machine.pythons().values()]
    found = {os.path.realpath(p) for f in folders for p in glob.glob(f + "/libpython3.*.so.1.0")}
    return sorted(p for p in found if supported(re.search(r"libpython(3\.\d+)", p).group(1)))


def main():
    tally = closing.Tally()
    with tempfile.TemporaryDirectory() as folder:
        for version, python in sorted(machine.pythons().items(), key=lambda item: [int(n) for n in item[0].split(".")]):
            if not supported(version):
                continue
            title = "Python %s, " % version
            tally.result(title + "create and destroy", create_and_destroy(folder, python))
            tally.result(title + "-X dev", create_and_destroy(folder, python, "-X", "dev"))
            tally.result(title + "PYTHONMALLOC=debug", create_and_destroy(folder, python, PYTHONMALLOC="debug"))
            tally.result(title + "destroyed by another thread", destroyed_by_another_thread(folder, python))
            if tuple(int(n) for n in version.split(".")[:2]) >= (3, 12):
                tally.result(title + "several at once", several_at_once(folder, python))
                tally.result(title + "more than the table holds", more_than_the_table_holds(folder, python))
            tally.result(title + "sys.exit(3)", exit_status(folder, python))
            if machine.python_has(python, "_testcapi"):
                tally.result(title + "run_in_subinterp", run_in_subinterpreter(folder, python))
                tally.result(title + "killed while destroy waits", destroy_blocked(folder, python))
            else:
                tally.skip(title + "run_in_subinterp", "it has no _testcapi")
            if subprocess.run([os.path.join(HERE, "no_new_code"), "true"], check=False).returncode == 77:
                tally.skip(title + "no new code", "the kernel has no PR_SET_MDWE")
            else:
                tally.result(title + "no new code", without_new_code(folder, python))
        for libpython in libpythons():
            tally.result("linked to %s" % libpython, embedded(folder, libpython))
            tally.result("loads %s" % libpython, loaded_late(folder, libpython))
            tally.result("with a thread, loads %s" % libpython, loaded_late_with_threads(folder, libpython))
    return tally.close()


if __name__ == "__main__":
    sys.exit(main())
