# SPDX-License-Identifier: MIT
"""Counting: each runner ends with the line `N passed, N failed, N skipped`, and each skip says why."""

import re
import time

LINE = re.compile(r"^(\d+) passed, (\d+) failed, (\d+) skipped$", re.MULTILINE)


class Tally:
    def __init__(self):
        self.passed = self.failed = self.skipped = 0
        self._began = time.monotonic()

    def result(self, title, problems):
        """A test's result; `problems` are sentences, none for a pass."""
        took, self._began = time.monotonic() - self._began, time.monotonic()
        if problems:
            self.failed += 1
            print("FAIL  %s (%.1f s)" % (title, took), *problems, sep="\n      ", flush=True)
        else:
            self.passed += 1
            print("ok    %s (%.1f s)" % (title, took), flush=True)

    def skip(self, title, reason):
        self.skipped += 1
        print("skip  %s: %s" % (title, reason), flush=True)

    def add(self, text):
        """Adds the closing line of another runner's output; False when it has none."""
        found = LINE.findall(text)
        if not found:
            return False
        passed, failed, skipped = map(int, found[-1])
        self.passed += passed
        self.failed += failed
        self.skipped += skipped
        return True

    def close(self):
        """Prints the line; the exit status."""
        print("%d passed, %d failed, %d skipped" % (self.passed, self.failed, self.skipped), flush=True)
        return 1 if self.failed or not self.passed else 0
