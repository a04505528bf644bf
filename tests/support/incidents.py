# SPDX-License-Identifier: MIT
"""Reading what racewatch left in its folder."""

import json
import os


def index(out):
    """index.json, or None while there is none that can be read."""
    try:
        with open(os.path.join(out, "index.json"), encoding="utf-8") as f:
            return json.load(f)
    except (OSError, ValueError):
        return None


def count(out):
    found = index(out)
    return len(found["incidents"]) if found else 0


def _unfold(process):
    """Stacks that are written down with another thread, as docs/incident-json.md has it, are everybody's."""
    threads = process.get("threads") or []
    by_tid = {thread["tid"]: thread for thread in threads}
    for thread in threads:
        for name in ("native", "python"):
            if thread.get(name + "_as"):
                thread[name] = by_tid[thread[name + "_as"]][name]


class Incident:
    """One incident: its row of the index, its JSON and its text."""

    def __init__(self, out, row):
        path = os.path.join(out, row["path"])
        self.folder = path if os.path.isdir(path) else os.path.dirname(path)
        self.row = row
        with open(os.path.join(self.folder, "incident.json"), encoding="utf-8") as f:
            self.json = json.load(f)
        for process in self.json.get("processes") or []:
            _unfold(process)
        with open(os.path.join(self.folder, "report.txt"), encoding="utf-8") as f:
            self.text = f.read()

    @property
    def verdict(self):
        return self.json["verdict"]

    def culprits(self):
        return [c.get("name") or "" for c in self.verdict.get("culprits") or []]

    def answer(self):
        """What the verdict says, all its sentences on one line each."""
        verdict = self.verdict
        lines = [verdict.get("sentence"), verdict.get("look_at"), verdict.get("test")]
        lines += verdict.get("evidence") or []
        for culprit in verdict.get("culprits") or []:
            lines += [culprit.get("name"), culprit.get("why")]
        return "\n".join(line for line in lines if line)

    def threads(self):
        for process in self.json.get("processes") or []:
            yield from process.get("threads") or []

    def thread(self, name):
        return next((t for t in self.threads() if t.get("name") == name), None)


def all_of(out):
    found = index(out)
    return [Incident(out, row) for row in found["incidents"]] if found else []
