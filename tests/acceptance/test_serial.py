# SPDX-License-Identifier: MIT
"""Serial mode: races show, the same seed goes the same way, what is right stays right, a hang is known at once."""

import glob
import os
import struct

from common import PATIENCE_S, Case, compiled
from support import incidents, machine, processes

HUNG, RIGHT, LOST = 137, 0, 3
RACES = {"two_locks": HUNG, "three_locks": HUNG, "lost_wakeup": HUNG, "check_then_act": LOST, "publish": LOST,
         "late_worker": LOST}
AFTER = ["mutex", "rwlock", "semaphore", "signal"]
GOOD = ["queue", "semaphores", "rwlocks", "timeouts", "pipes", "children", "spin"]
SEEDS = range(1, 61)
LINES = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "lines")

PYTHON_RACE = """
import threading
lock, left, lost = threading.Lock(), 1, False
def take():
    global left, lost
    with lock: is_there = left > 0
    if is_there:
        with lock:
            left -= 1
            lost |= left < 0
threads = [threading.Thread(target=take) for _ in range(3)]
for t in threads: t.start()
for t in threads: t.join()
raise SystemExit(3 if lost else 0)
"""
PYTHON_GOOD = """
import concurrent.futures, queue, threading
things = queue.Queue()
def job(i):
    things.put(i)
    return i * i
with concurrent.futures.ThreadPoolExecutor(3) as pool:
    assert list(pool.map(job, range(50))) == [i * i for i in range(50)]
assert sorted(things.get() for _ in range(50)) == list(range(50))
event = threading.Event()
threading.Timer(20, event.set).start()
assert event.wait(300)
try:
    things.get(timeout=30)
    raise SystemExit(1)
except queue.Empty:
    pass
"""


class Schedule:
    """The header of a schedule file, struct rw_schedule_header."""

    def __init__(self, path):
        with open(path, "rb") as f:
            fields = struct.unpack_from("<Q3Ii7Q8I", f.read(256))
        self.path = path
        self.hash, self.decisions, self.points, self.takeovers = fields[7:11]
        self.switches, self.has_diverged = fields[13], fields[18]


class Run:
    def __init__(self, argv, *options):
        with processes.Program([machine.program(), "run", "--keep=always", "--on-hang=kill", *options, "--", *argv],
                               {"PYTHONHASHSEED": "0"}) as program:
            self.status = program.wait(PATIENCE_S)
            self.stderr = program.stderr()
            files = sorted(glob.glob(program.out + "/recordings/*/*.schedule"))
            self.schedule = Schedule(files[0]) if files else None
            self.file = open(files[0], "rb").read() if files else b""


class Serial(Case):
    def run_once(self, argv, *options):
        return Run(argv, "--perturb=serial", *options)

    def first_lost(self, argv, status):
        for seed in SEEDS:
            run = self.run_once(argv, "--seed=%d" % seed)
            if run.status == status:
                return seed, run
            self.assertEqual(run.status, RIGHT, run.stderr)
        return self.fail("no seed of %d loses it" % len(SEEDS))

    def assert_same(self, first, second):
        self.assertEqual((second.status, second.schedule.hash, second.schedule.points),
                         (first.status, first.schedule.hash, first.schedule.points))

    def test_races_are_lost_and_again_with_the_same_seed(self):
        for name, status in RACES.items():
            with self.subTest(name):
                argv = [compiled("serial.c"), name]
                seed, first = self.first_lost(argv, status)
                for _ in range(3):
                    self.assert_same(first, self.run_once(argv, "--seed=%d" % seed))

    def test_a_thread_can_be_interrupted_after_it_gave_something_back(self):
        for name in AFTER:
            with self.subTest(name):
                self.first_lost([compiled("after.c"), name], LOST)

    def test_what_is_right_stays_right(self):
        for name in GOOD:
            for seed in range(1, 6):
                with self.subTest(name, seed=seed):
                    run = self.run_once([compiled("serial.c"), name], "--seed=%d" % seed)
                    self.assertEqual((run.status, run.stderr), (RIGHT, ""))

    def test_a_sleep_by_select_takes_no_real_time(self):
        for seed in range(1, 6):
            with self.subTest(seed=seed):
                run = self.run_once([compiled("select_sleeps.c")], "--seed=%d" % seed)
                self.assertEqual((run.status, run.stderr), (RIGHT, ""))

    def test_who_is_chosen_while_a_signal_handler_holds_it_has_its_turn_later(self):
        for seed in range(1, 6):
            with self.subTest(seed=seed):
                run = self.run_once([compiled("interrupted.c")], "--seed=%d" % seed)
                self.assertEqual((run.status, run.stderr), (RIGHT, ""))

    def test_a_replay_goes_the_same_way(self):
        argv = [compiled("serial.c"), "check_then_act"]
        _, first = self.first_lost(argv, LOST)
        path = self.kept(first)
        again = self.run_once(argv, "--replay=" + path)
        self.assert_same(first, again)
        self.assertEqual((again.schedule.has_diverged, again.stderr), (0, ""))

    def test_a_replay_says_where_it_goes_another_way(self):
        _, first = self.first_lost([compiled("serial.c"), "check_then_act"], LOST)
        path = self.kept(first)
        other = self.run_once([compiled("serial.c"), "queue"], "--replay=" + path)
        self.assertEqual(other.status, RIGHT)
        self.assertNotEqual(other.schedule.has_diverged, 0)
        self.assertRegex(other.stderr, r"^racewatch: the replay goes another way after \d+ decisions: (main thread|thread \d+) is at "
                                       r"serial\.c:\d+ in \w+, and (in the file .* gives way to|.*, which goes on there in the file, cannot)")
        child = self.run_once(["sh", "-c", "true; %s check_then_act; true" % compiled("serial.c")], "--replay=" + path)
        self.assertIn("racewatch: nothing was replayed: no process of this run is the one that %s is of\n" % path, child.stderr)

    def test_a_replay_of_what_is_no_schedule_says_so(self):
        fifo = os.path.join(os.path.dirname(compiled("serial.c")), "fifo.schedule")
        os.mkfifo(fifo)
        self.addCleanup(os.unlink, fifo)
        for path in compiled("serial.c"), fifo:
            with self.subTest(path=path):
                run = self.run_once([compiled("serial.c"), "queue"], "--replay=" + path)
                self.assertEqual(run.status, RIGHT)
                self.assertIn("racewatch: nothing was replayed: %s is no file of choices" % path, run.stderr)

    def kept(self, run):
        path = os.path.join(os.path.dirname(compiled("serial.c")), "kept.schedule")
        with open(path, "wb") as f:
            f.write(run.file)
        return path

    def test_a_hang_is_known_at_once_and_explained(self):
        argv = [compiled("serial.c"), "two_locks"]
        seed, _ = self.first_lost(argv, HUNG)
        with processes.Program([machine.program(), "run", "--perturb=serial", "--seed=%d" % seed, "--on-hang=kill", "--",
                                *argv]) as program:
            self.assertEqual(program.wait(PATIENCE_S), HUNG)
            processes.wait_for_orphans(20)
            found = incidents.all_of(program.out)
        self.assertEqual([(i.json["trigger"], i.json["verdict"]["class"], i.json["verdict"]["certainty"]) for i in found],
                         [("serial", "cycle", "exact")])

    def test_a_race_in_a_trace_function_is_replayed(self):
        argv = ["/usr/bin/python3", "-B", os.path.join(LINES, "in_trace.py")]
        seed, first = self.first_lost(argv, 1)
        self.assertIn("RuntimeError: Set changed size during iteration", first.stderr)
        self.assert_same(first, self.run_once(argv, "--seed=%d" % seed))
        again = self.run_once(argv, "--replay=" + self.kept(first))
        self.assert_same(first, again)
        self.assertEqual(again.schedule.has_diverged, 0, again.stderr)

    def test_python(self):
        for version, python in machine.pythons().items():
            if version not in ("3.11", "3.12", "3.13"):
                continue
            with self.subTest(version):
                seed, first = self.first_lost([python, "-c", PYTHON_RACE], LOST)
                self.assert_same(first, self.run_once([python, "-c", PYTHON_RACE], "--seed=%d" % seed))
                for other in range(1, 4):
                    run = self.run_once([python, "-c", PYTHON_GOOD], "--seed=%d" % other)
                    self.assertEqual((run.status, run.stderr), (RIGHT, ""))
