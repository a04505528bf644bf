# SPDX-License-Identifier: MIT
"""
Several tests at once, each in a process of its own, which is the reaper of what it starts and ends it. Tests that mostly
wait may be more than there are processors.
"""

import os
import sys
import tempfile

from . import closing, processes


def run(jobs, at_once, tally):
    """`jobs`: (title, function of a Tally). What each prints comes out in one piece, in the order in which they end."""
    waiting, running = list(jobs), {}
    while waiting or running:
        while waiting and len(running) < at_once:
            title, job = waiting.pop(0)
            said = tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace")
            running[_start(job, said)] = title, said
        pid, _ = os.wait()
        if pid in running:  # else an orphan that came to us
            title, said = running.pop(pid)
            _tell(title, said, tally)


def _start(job, said):
    sys.stdout.flush()
    pid = os.fork()
    if pid:
        return pid
    status = 1
    try:
        os.dup2(said.fileno(), 1)
        os.dup2(said.fileno(), 2)
        processes.begin_anew()
        share = closing.Tally()
        job(share)
        processes.end_all()
        status = share.close()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def _tell(title, said, tally):
    with said:
        said.seek(0)
        text = said.read()
    for line in text.splitlines():
        if not closing.LINE.match(line):
            print(line, flush=True)
    if not tally.add(text):
        tally.result(title, ["it ended without its closing line"])
