# SPDX-License-Identifier: MIT
"""Counting: each runner ends with the line `N passed, N failed, N skipped`, and each skip says why."""

import re
import time

LINE = re.compile(r"^(\d+) passed, (\d+) failed, (\d+) skipped$", re.MULTILINE)
FAILURE = re.compile(r"^FAIL  .*(?:\n {6}.*)*", re.MULTILINE)
LINES_TOLD_AGAIN = 12  # of the beginning, and of the end


class Tally:
    def __init__(self):
        self.passed = self.failed = self.skipped = 0
        self._failures = []
        self._began = time.monotonic()

    def result(self, title, problems):
        """A test's result; `problems` are sentences, none for a pass."""
        took, self._began = time.monotonic() - self._began, time.monotonic()
        if problems:
            self.failed += 1
            told = [line for problem in problems for line in problem.splitlines()]
            text = "\n      ".join(["FAIL  %s (%.1f s)" % (title, took), *told])
            self._failures.append(text)
            print(text, flush=True)
        else:
            self.passed += 1
            print("ok    %s (%.1f s)" % (title, took), flush=True)

    def skip(self, title, reason):
        self.skipped += 1
        print("skip  %s: %s" % (title, reason), flush=True)

    def add(self, text):
        """Adds the closing line and the failures of another runner's output; False when it has no such line."""
        self._failures += FAILURE.findall(text)
        found = LINE.findall(text)
        if not found:
            return False
        passed, failed, skipped = map(int, found[-1])
        self.passed += passed
        self.failed += failed
        self.skipped += skipped
        return True

    def tell_failures_again(self):
        """The failures of a long run once more, at its end, where they are seen: as much of each as says what it was."""
        for text in self._failures:
            lines = text.splitlines()
            left_out = len(lines) - 2 * LINES_TOLD_AGAIN
            if left_out > 0:
                lines[LINES_TOLD_AGAIN:-LINES_TOLD_AGAIN] = ["      [%d lines more, above]" % left_out]
            print(*lines, sep="\n", flush=True)

    def close(self):
        """Prints the line; the exit status."""
        print("%d passed, %d failed, %d skipped" % (self.passed, self.failed, self.skipped), flush=True)
        return 1 if self.failed or not self.passed else 0
