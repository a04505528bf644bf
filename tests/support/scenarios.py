# SPDX-License-Identifier: MIT
"""
A scenario is a program that really hangs (or only looks so), and what must be said of it. docs/adding-a-scenario.md says
what a scenario.json holds; the runners in tests/scenarios and tests/hang_table say on which Pythons it is run.
"""

import json
import os
import re
import subprocess
import tempfile
import time

from . import incidents, machine, processes

PATIENCE_S = 40  # for a report to come; a correct one takes a few seconds even on a loaded machine


class Scenario:
    def __init__(self, folder, build_folder):
        self.name = os.path.basename(folder)
        self.folder = folder
        with open(os.path.join(self.folder, "scenario.json"), encoding="utf-8") as f:
            self.manifest = json.load(f)
        programs = [self.manifest.get("program"), "main.c", "main.py"]
        self.source = next(p for p in programs if p and os.path.exists(os.path.join(self.folder, p)))
        self.expect = self.manifest["expect"]
        self.build_folder = build_folder

    @property
    def is_python(self):
        return self.source.endswith(".py")

    @property
    def is_suite(self):
        return self.source.startswith("test_")

    def markers(self):
        """{"name": ["file:line", ...]} of the comments `HERE name` in the sources."""
        found = {}
        for file in sorted(os.listdir(self.folder)):
            if file.endswith((".c", ".cc", ".py")):
                with open(os.path.join(self.folder, file), encoding="utf-8") as f:
                    for number, line in enumerate(f, 1):
                        for name in re.findall(r"HERE ([\w-]+)", line):
                            found.setdefault(name, []).append("%s:%d" % (file, number))
        return found

    def runs_as_script(self, python):
        """A suite whose Python has no pytest, and which says that it can do without."""
        return self.is_suite and bool(self.manifest.get("script")) and python.pytest_environment() is None

    def expectations(self, python):
        """What holds on that Python: without pytest there are no tests to be named."""
        if self.expect == "silent" or python is None or not self.runs_as_script(python):
            return self.expect
        return {k: v for k, v in self.expect.items() if k not in ("test", "test_of_thread")}

    def why_not(self, python):
        """Why it cannot run here, or None."""
        for tool in self.manifest.get("tools", []):
            if not machine.tool(tool):
                return "no %s on this machine" % tool
        if python is None:
            return None
        if self.is_suite and not self.runs_as_script(python) and python.pytest_environment() is None:
            return "Python %s has no pytest" % python.name
        for module in self.manifest.get("needs", []):
            if not python.has(module):
                return "Python %s has no %s" % (python.name, module)
        return None

    def _compile(self, source, output, *flags):
        path = os.path.join(self.build_folder, output)
        if not os.path.exists(path):
            compiler = ["g++", "-std=gnu++17"] if source.endswith(".cc") else ["gcc", "-std=gnu11"]
            subprocess.run([*compiler, "-D_GNU_SOURCE", "-g", "-O1", "-Wall", "-Werror", "-pthread", "-o", path,
                            os.path.join(self.folder, source), *flags], check=True)
        return path

    def build(self):
        """Compiles what is in C, once: (the program or None, the shared library or None)."""
        return (None if self.is_python else self._compile(self.source, self.name),
                self._compile(self.manifest["native"], self.name + ".so", "-shared", "-fPIC") if self.manifest.get("native") else None)

    def argv(self, python):
        program, native = self.build()
        if program:
            return [program]
        arguments = [native] if native else []
        path = os.path.join(self.folder, self.source)
        if self.is_suite and not self.runs_as_script(python):
            arguments = ["-m", "pytest", "-q", "-p", "no:cacheprovider", "--assert=plain", "--rootdir", self.folder,
                         *self.manifest.get("arguments", []), path]
        else:
            arguments = [path, *arguments]
        folders = [self.folder, tempfile.gettempdir(), os.path.dirname(machine.library())]
        return python.command(*arguments, folders=folders + list(filter(None, [self.environment(python).get("PYTHONPATH")])))

    def options(self):
        return ":".join("%s=%s" % item for item in sorted(self.manifest.get("options", {}).items()))

    def environment(self, python):
        env = {"PYTHONDONTWRITEBYTECODE": "1"}
        if self.is_suite and self.manifest.get("native"):
            env["NATIVE"] = self.build()[1]
        return dict(env, **(python.pytest_environment() or {})) if self.is_suite else env

    def command(self, python):
        """How a user would run it: (argv, environment)."""
        env = self.environment(python)
        if self.options():
            env["RACEWATCH_OPTIONS"] = self.options()
        argv = self.argv(python)
        if self.manifest.get("how") == "run":
            return [machine.program(), "run", "--", *argv], env
        return argv, dict(env, LD_PRELOAD=machine.library())


def wanted(value):
    return value if isinstance(value, list) else [value]


def name_of(thread):
    """Where Python's threading was never imported, or is gone already, the main thread has no name of Python's."""
    return "MainThread" if thread.get("is_main") else thread.get("name")


def stands_at(thread, places):
    frames = [(f.get("file") or "", f.get("line")) for f in (thread.get("python") or []) + (thread.get("native") or [])]
    return any("%s:%s" % (os.path.basename(file), line) in places for file, line in frames)


def misses_of(incident, expect, markers):
    """What is wrong with an incident; one sentence each."""
    verdict, threads = incident.verdict, list(incident.threads())
    by_tid = {t.get("tid"): name_of(t) for t in threads}
    named = ["MainThread" if c.get("tid") == c.get("pid") else by_tid.get(c.get("tid")) or c.get("name") or ""
             for c in verdict.get("culprits") or []]
    if verdict.get("class") not in wanted(expect["class"]):
        yield "class is %s, not %s" % (verdict.get("class"), expect["class"])
    certainty = machine.is_container() and expect.get("certainty_in_container") or expect.get("certainty")
    if certainty and verdict.get("certainty") not in wanted(certainty):
        yield "certainty is %s, not %s" % (verdict.get("certainty"), certainty)
    if "trigger" in expect and incident.json.get("trigger") != expect["trigger"]:
        yield "trigger is %s, not %s" % (incident.json.get("trigger"), expect["trigger"])
    if "test" in expect and not (verdict.get("test") or incident.json.get("test") or "").endswith(expect["test"]):
        yield "test is %s, not %s" % (verdict.get("test"), expect["test"])
    for name in expect.get("culprits", []):
        if name not in named:
            yield "culprit %s is not named (named: %s)" % (name, ", ".join(named) or "nobody")
    for name in expect.get("innocent", []):
        if name in named:
            yield "%s is blamed, and innocent" % name
    for name, marker in expect.get("at", {}).items():
        standing = [t for t in threads if name_of(t) == name and stands_at(t, markers[marker])]
        if not standing:
            yield "no thread %s at %s" % (name, " or ".join(markers[marker]))
    for name, owner in expect.get("waits_for", {}).items():
        owners = [by_tid.get((t.get("waits_on") or {}).get("owner")) for t in threads if name_of(t) == name]
        if owner not in owners:
            yield "%s waits for %s, not for %s" % (name, owners, owner)
    for name, test in expect.get("test_of_thread", {}).items():
        tests = [t.get("created_in_test") or "" for t in threads if name_of(t) == name]
        if not any(t.endswith(test) for t in tests):
            yield "thread %s comes from %s, not from %s" % (name, tests, test)
    if "look_at" in expect:
        places = [place for marker in expect["look_at"] for place in markers[marker]]
        if not any(re.search(re.escape(p) + r"\b", verdict.get("look_at") or "") for p in places):
            yield "look at %s, not at %s" % (verdict.get("look_at"), " or ".join(places))
    for word in expect.get("answer", []):
        if word not in incident.answer():
            yield "the verdict does not say %r" % word
    for word in expect.get("report", []):
        if word not in incident.text:
            yield "report.txt does not say %r" % word


def of_its_fate(scenario, program, expect, found):
    """(What must be said, the incidents that must say it) of a program that hangs in some runs, and dies of a signal in others.
    The race that leads to either may be told by itself before."""
    if found[0].json.get("trigger") == "misuse":
        program.wait_until(lambda: incidents.count(program.out) > 1 or program.child.poll() is not None, PATIENCE_S)
        found = incidents.all_of(program.out)
    if found[-1].json.get("trigger") == "crash":
        program.wait(PATIENCE_S)
    if (program.child.poll() or 0) < 0:
        return {"class": scenario.manifest["dies"]}, found[-1:]
    return expect, found[1:] if found[0].json.get("trigger") == "misuse" and len(found) > 1 else found


def look(scenario, python, program):
    """Why the run is not as it should be: a list of sentences, empty when all is right."""
    expect = scenario.expectations(python)
    if expect == "silent":
        status = program.wait(PATIENCE_S)
        if status != 0:
            return ["exit status %s; stderr: %s" % (status, program.stderr()[-300:])]
        if not processes.wait_for_orphans(15):
            return ["the monitor is still there 15 s after the program"]
        if os.path.exists(program.out):
            found = [i.verdict.get("sentence") for i in incidents.all_of(program.out)]
            return ["not silent: %s" % (found or os.listdir(program.out))]
        return []
    if "ends" in scenario.manifest:
        status = program.wait(PATIENCE_S)
        if status != scenario.manifest["ends"]:
            return ["exit status %s, not %s; stderr: %s" % (status, scenario.manifest["ends"], program.stderr()[-300:])]
        unsaid = [word for word in scenario.manifest.get("stderr", []) if word not in program.stderr()]
        if unsaid:
            return ["it does not say on stderr: %s" % unsaid]
    race = scenario.manifest.get("race")
    if not program.wait_until(lambda: incidents.count(program.out) > (race is not None), PATIENCE_S):
        return ["no incident within %d s%s; exit status %s" % (PATIENCE_S, " beside a race" if race and incidents.count(program.out)
                                                               else "", program.child.poll())]
    took = time.monotonic() - program.started
    found = incidents.all_of(program.out)
    if race:
        first = found.pop(0).verdict
        if first.get("class") != race:
            return ["the first incident is %s, not %s: %s" % (first.get("class"), race, first.get("sentence"))]
    if "dies" in scenario.manifest:
        expect, found = of_its_fate(scenario, program, expect, found)
    if len(found) > 1:
        return ["%d incidents of one hang: %s" % (len(found), [i.verdict.get("sentence") for i in found])]
    problems = list(misses_of(found[0], expect, scenario.markers()))
    if took > expect.get("within_s", PATIENCE_S) + 5:  # the start of the program and a loaded machine
        problems.append("the report came after %.1f s" % took)
    if problems:
        problems.append("it said: " + str(found[0].verdict.get("sentence")))
    return problems


def run_one(scenario, python, keep):
    """Problems of one run; of the first that leaves an incident, where only some do. None if none of them did."""
    for _ in range(scenario.manifest.get("tries", 1)):
        problems = run_once(scenario, python, keep)
        if problems is not None:
            return problems
    return None


def run_once(scenario, python, keep):
    argv, env = scenario.command(python)
    with processes.Program(argv, env, has_tmp=True) as program:
        if "tries" in scenario.manifest:
            program.wait_until(lambda: incidents.count(program.out) or program.child.poll() is not None, PATIENCE_S)
            if program.child.poll() is not None and not incidents.count(program.out):
                return None
        problems = look(scenario, python, program)
        if problems and keep:
            kept = tempfile.mkdtemp(prefix="racewatch-miss-")
            subprocess.run(["cp", "-a", program.folder + "/.", kept], check=False)
            problems.append("kept in " + kept)
        if program.end() is False:
            problems.append("the monitor did not end after the program was killed")
    return problems


def run_bare(scenario, python, for_s=4):
    """Without racewatch: a hanging program is still there, a silent one ends well."""
    with processes.Program(scenario.argv(python), scenario.environment(python), has_tmp=True) as program:
        if scenario.expect == "silent":
            status = program.wait(PATIENCE_S)
            return [] if status == 0 else ["exit status %s: %s" % (status, program.stderr()[-300:])]
        if "ends" in scenario.manifest:
            status = program.wait(PATIENCE_S)
            return [] if status == scenario.manifest["ends"] else ["exit status %s" % status]
        status = program.wait(for_s)
        return [] if status is None else ["ended with %s: %s%s" % (status, program.stdout()[-300:],
                                                                    program.stderr()[-300:])]
