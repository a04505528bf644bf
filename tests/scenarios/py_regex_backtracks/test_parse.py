# SPDX-License-Identifier: MIT
import re
import threading


def parse(line):
    re.match(r"(\w+\s?)+:", line)  # HERE matches


def test_that_parses():
    thread = threading.Thread(target=parse, args=("word " * 40,), name="parser", daemon=True)
    thread.start()
    thread.join()
