# SPDX-License-Identifier: MIT
"""Holds what racewatch says of a process against what the process says of itself. Differences are sentences."""

import os
import re

MARK = re.compile(r"call_((?:native|callback)_\d+)$")


def short(frame):
    function, file, line, interpreter, kind = frame
    return "%s%s (%s:%s) in interpreter %s" % (function[:60], " [%s]" % kind if kind else "", os.path.basename(file), line,
                                               interpreter)


def frames_of(thread):
    return [[f.get("function"), f.get("file"), f.get("line"), f.get("interpreter"), f.get("kind")] for f in thread["python"]]


def frame_differences(told, seen):
    """Both innermost first."""
    for index, (a, b) in enumerate(zip(told, seen)):
        if a != b:
            yield "frame %d is %s, and was read as %s" % (index, short(a), short(b))
            return
    if len(told) != len(seen):
        more = (told if len(told) > len(seen) else seen)[min(len(told), len(seen))]
        yield "%d frames, and %d were read; the first odd one is %s" % (len(told), len(seen), short(more))


def order_differences(thread):
    """Does each Python frame stand at the evaluation loop that runs it?"""
    native, python = thread["native"], thread["python"]
    indices = [f.get("native_index", -1) for f in python]
    if not native or thread.get("stack_note"):
        yield "its native stack is not whole: %s" % thread.get("stack_note")
        return
    if None in indices or -1 in indices:
        yield "%d of %d frames have no evaluation loop; the innermost is frame %d" % (
            sum(i in (None, -1) for i in indices), len(indices), next(n for n, i in enumerate(indices) if i in (None, -1)))
        return
    if indices != sorted(indices):
        yield "the evaluation loops are out of order: %s" % indices
        return
    for n, index in enumerate(indices):
        if not native[index].get("is_python_eval"):
            yield "frame %d stands at %s, no evaluation loop" % (n, native[index].get("function"))
            return
        is_last = n + 1 == len(indices) or indices[n + 1] != index
        if bool(python[n].get("is_entry")) != is_last:
            yield "frame %d is%s the outermost of its loop" % (n, "" if is_last else " not")
            return
    for index, frame in enumerate(native):
        if frame.get("is_python_eval") and not frame.get("is_inlined") and index not in indices:
            yield "no Python frame stands at the evaluation loop %d (%s)" % (index, frame.get("function"))
            return
    yield from mark_differences(native, python, indices)


def mark_differences(native, python, indices):
    """A function call_native_3 calls the C function native_3, which calls the next Python function."""
    seen = [(i, f["function"]) for i, f in enumerate(native) if re.fullmatch(r"(native|callback)_\d+", f.get("function") or "")]
    wanted = []
    for n, frame in enumerate(python):
        mark = MARK.search(frame.get("function") or "")
        if mark:
            wanted.append((indices[n - 1] if n else -1, mark[1], indices[n]))
    if len(seen) != len(wanted):
        yield "%d calls of C functions that are known, and %d are on the native stack" % (len(wanted), len(seen))
        return
    for (at, name), (inner, mark, outer) in zip(seen, wanted):
        if name != mark or not inner < at < outer:
            yield "%s stands at %d, and its place is between %d and %d, and it is %s" % (name, at, inner, outer, mark)
            return


def differences(truth, process):
    """(stacks compared, [sentences])."""
    threads = {str(t["tid"]): t for t in process["threads"]}
    found = ["the program: " + failure for failure in truth["failures"]]
    for tid, told in sorted(truth["threads"].items()):
        thread = threads.get(tid)
        if thread is None:
            found.append("thread %s is missing" % tid)
            continue
        title = "thread %s: " % tid
        if any(f.get("is_torn") for f in thread["python"]):
            found.append(title + "frames are marked as torn, and it stands still")
        sentences = [*frame_differences(told, frames_of(thread)), *order_differences(thread)]
        found += [title + s for s in sentences]
    if process.get("python_note"):
        found.append("a note: " + process["python_note"])
    version = ".".join(map(str, truth["version"]))
    if not (process.get("python") or "").startswith(version):
        found.append("Python %s was taken for %s" % (version, process.get("python")))
    return len(truth["threads"]), found
