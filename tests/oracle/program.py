# SPDX-License-Identifier: MIT
"""
Brings many threads to random, known places, in the main interpreter and in others, and tells where they are by Python's
own word. Argument: a JSON file, {"seed", "places", "threads", "interpreters",
"hold", "native", "folder", "truth"}.

When all are in their places it writes the truth and one byte to its standard output, and the same again for each byte of
its standard input; it ends with its input.

The truth: {"version": [3, 11, 2], "pid": 1, "failures": [], "threads": {tid: [[function, file, line, interpreter, kind], ...]}}, innermost first.
"""

import _thread
import json
import os
import py_compile
import random
import sys
import threading
import time
import traceback

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import generate  # noqa: E402
import places  # noqa: E402

try:
    import _interpreters
except ImportError:
    try:
        import _xxsubinterpreters as _interpreters
    except ImportError:
        _interpreters = None


def interpreter_id():
    if _interpreters is None:
        return 0
    found = _interpreters.get_current()
    return int(found[0] if isinstance(found, tuple) else found)


def create_interpreter(kind):
    if sys.version_info >= (3, 13):
        return _interpreters.create(kind)
    if sys.version_info >= (3, 9):  # isolated ones have no threads before 3.12
        return _interpreters.create(isolated=kind == "isolated" and sys.version_info >= (3, 12))
    return _interpreters.create()


def kind_of(code):
    flags = code.co_flags
    return "async generator" if flags & 0x200 else "coroutine" if flags & 0x180 else "generator" if flags & 0x20 else None


def walk(frame, interpreter):
    found = []
    while frame:
        code = frame.f_code
        found.append([getattr(code, "co_qualname", code.co_name), code.co_filename, frame.f_lineno, interpreter, kind_of(code)])
        frame = frame.f_back
    return found


class Interpreter:
    """The threads of one interpreter, and those that run others."""

    def __init__(self, config, outer=None):
        self.config = config
        self.is_main = outer is None
        self.id = interpreter_id()
        self.dice = random.Random(config["seed"])
        self.lib = places.Lib(self.go, config["native"], self.is_main)
        self.arrived = threading.Semaphore(0)
        self.expected = 0
        self.threads = {}  # tid: ident, or where it was asked to hold its frame, that frame
        self.children = []
        self.failures = []
        self.made = self.make_places()

    def make_places(self):
        path = os.path.join(self.config["folder"], "places-%d-ø-\U0001f40d.py" % self.id)
        texts, names = [], []
        for name, text in generate.source(self.config["seed"], sys.version_info, self.config["places"]):
            try:
                compile(text, path, "exec")
            except SyntaxError:  # of what is put together at random, not all is Python in every version
                continue
            if len(names) == self.config["places"] // 2:
                texts.append("\n" * 70000)  # line numbers beyond 16 bits
            names.append(name)
            texts.append(text)
        with open(path, "w", encoding="utf-8") as f:
            f.write("\n\n".join(texts) + "\n")
        namespace = {"go": self.go, "lib": self.lib}
        with open(path, encoding="utf-8") as f:
            exec(compile(f.read(), path, "exec"), namespace)
        return [namespace[name] for name in names]

    # ---- threads on their way ---------------------------------------------------------------------------------------

    def go(self, rest):
        if rest:
            return rest[0](rest[1:])
        self.stay()

    def stay(self):
        groups = [places.SHALLOW] if self.config["hold"] else [places.SHALLOW, places.DEEP]
        place = self.dice.choice(self.dice.choice(groups))
        depth = self.dice.choice([0] * 20 + [1, 30, 200])
        places.recursion(depth, lambda: place(self.arrive))

    def arrive(self, hold=False):
        """Called by the function that then blocks. sys._current_frames tells where a thread is, but where interpreters have
        GILs of their own (3.12+) it makes objects of frames of others, and their memory is freed in the wrong one; and of
        a thread that is in two interpreters it knows one. The frame itself can be asked at any time."""
        at = sys._getframe(1) if hold or self.config["hold"] else threading.get_ident()
        self.threads[threading.get_native_id()] = at
        self.arrived.release()

    def run(self, rest):
        try:
            self.go(rest)
            self.failures.append("a thread came back from its place, by way of %s" % [p.__name__[-8:] for p in rest])
        except BaseException:
            self.failures.append("".join(traceback.format_exc().splitlines(True)[-4:]))
        self.arrived.release()

    def start(self):
        for n, config in enumerate(self.config["interpreters"]):
            self.expected += 1
            child = Child(self, n, config)
            self.children.append(child)
            threading.Thread(target=child.run, daemon=self.is_main).start()
            child.ask()
        for n in range(self.config["threads"]):
            rest = self.dice.choices(self.made, k=self.dice.randrange(1, 7))
            self.expected += 1
            if n % 10 == 9 and self.lib.callback_library:
                self.lib.foreign_thread(lambda rest=rest: self.run(rest))
            elif n % 10 == 8:
                _thread.start_new_thread(self.run, (rest,))
            else:
                daemon = self.is_main or sys.version_info < (3, 9)
                threading.Thread(target=self.run, args=(rest,), daemon=daemon).start()

    def wait_until_all_are_there(self):
        for _ in range(self.expected):
            if not self.arrived.acquire(timeout=60):
                self.failures.append("%d of %d threads are in their places" % (len(self.threads), self.expected))
                break
        before = None
        while before != self.tell():  # from `arrived` into the place
            before = self.tell()
            time.sleep(.05)

    # ---- the truth ----------------------------------------------------------------------------------------------------

    def tell(self):
        """{tid: frames} of this interpreter's threads, without what they do in others."""
        frames = {} if self.config["hold"] else sys._current_frames()
        return {tid: walk(frames[at] if isinstance(at, int) else at, self.id) for tid, at in list(self.threads.items())}

    def truth(self):
        told = {str(tid): frames for tid, frames in self.tell().items()}
        for child in self.children:
            inside = child.ask()
            self.failures += inside["failures"]
            for tid, frames in inside["threads"].items():
                told[tid] = frames + told.get(tid, [])
        return {"version": sys.version_info[:3], "pid": os.getpid(), "threads": told, "failures": self.failures}

    def answer(self, requests, path, answers):
        """Writes the truth for each byte that comes."""
        while os.read(requests, 1):
            self.write_truth(path)
            os.write(answers, b"R")

    def write_truth(self, path):
        text = json.dumps(self.truth())
        with open(path + ".new", "w", encoding="utf-8") as f:
            f.write(text)
        os.rename(path + ".new", path)


class Child:
    """An interpreter inside another one, as seen from there."""

    def __init__(self, outer, number, config):
        self.outer = outer
        self.number = create_interpreter(config["kind"])
        self.request, self.answer = os.pipe(), os.pipe()
        self.path = os.path.join(outer.config["folder"], "truth-%d-%d.json" % (outer.id, number))
        config = dict(config, hold=outer.config["hold"], native=outer.config["native"], folder=outer.config["folder"],
                      requests=self.request[0], answers=self.answer[1], truth=self.path)
        self.code = "import sys\nsys.path.insert(0, %r)\nimport program\n\nprogram.inside(%r)\n" % (
            os.path.dirname(os.path.abspath(__file__)), json.dumps(config))

    def run(self):
        self.outer.arrive(hold=True)
        try:
            _interpreters.run_string(self.number,
                                     self.code)
        except BaseException:
            traceback.print_exc()
        os.write(2, b"an interpreter's code came back\n")
        os._exit(1)

    def ask(self):
        os.write(self.request[1], b"?")
        if os.read(self.answer[0], 1) != b"R":
            raise OSError("no answer from interpreter %s" % self.number)
        with open(self.path, encoding="utf-8") as f:
            return json.load(f)


def inside(config):
    """The code of another interpreter; its thread came in from outside."""
    config = json.loads(config)
    here = Interpreter(config, outer=True)

    def observe():
        here.wait_until_all_are_there()
        here.answer(config["requests"], config["truth"], config["answers"])
    here.start()
    here.expected += 1
    threading.Thread(target=observe, daemon=sys.version_info < (3, 9)).start()
    here.arrive(hold=True)
    time.sleep(100000)


def main():
    with open(sys.argv[1], encoding="utf-8") as f:
        config = json.load(f)
    sys.setrecursionlimit(3000)
    py_compile.compile(os.path.abspath(__file__))
    here = Interpreter(config)

    def observe():
        here.wait_until_all_are_there()
        here.write_truth(config["truth"])
        os.write(1, b"R")
        here.answer(0, config["truth"], 1)
        os._exit(0)
    here.start()
    here.expected += 1
    threading.Thread(target=observe, name="observer", daemon=True).start()
    here.run(here.dice.choices(here.made, k=3))


if __name__ == "__main__":
    main()
