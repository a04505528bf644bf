# SPDX-License-Identifier: MIT
"""
Runs unittest's tests by their dotted names and writes {test: result} as JSON: what `-m unittest -v` says in words that
other output is mixed with.

    unittest_results.py RESULTS NAME...
"""

import json
import sys
import unittest


class Results(unittest.TextTestResult):
    def __init__(self, *arguments, **more):
        super().__init__(*arguments, **more)
        self.of_test = {}

    def _set(self, test, result):
        name = type(test).id(test)  # some tests have an attribute of that name
        # A failure says more than that another part of the same test was well.
        if self.of_test.get(name, "passed") in ("passed", "skipped"):
            self.of_test[name] = result

    def addSuccess(self, test):
        super().addSuccess(test)
        self._set(test, "passed")

    def addSkip(self, test, reason):
        super().addSkip(test, reason)
        self._set(test, "skipped")

    def addFailure(self, test, err):
        super().addFailure(test, err)
        self._set(test, "failed")

    def addError(self, test, err):
        super().addError(test, err)
        self._set(test, "failed")

    def addSubTest(self, test, subtest, err):
        super().addSubTest(test, subtest, err)
        if err:
            self._set(test, "failed")

    def addExpectedFailure(self, test, err):
        super().addExpectedFailure(test, err)
        self._set(test, "failed as expected")

    def addUnexpectedSuccess(self, test):
        super().addUnexpectedSuccess(test)
        self._set(test, "passed unexpectedly")


def main():
    suite = unittest.defaultTestLoader.loadTestsFromNames(sys.argv[2:])
    done = unittest.TextTestRunner(resultclass=Results, verbosity=2).run(suite)
    with open(sys.argv[1], "w", encoding="utf-8") as f:
        json.dump(done.of_test, f)
    sys.exit(not done.wasSuccessful())


if __name__ == "__main__":
    main()
