#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""
Holds the shim's decoder against objdump, over every function that Debian's Python exports; and against each Python of
this machine, that its hooked functions can be patched and that nothing branches into the bytes that they give up.
"""

import glob
import os
import re
import subprocess
import sys
import sysconfig

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(os.path.dirname(HERE)))
sys.path.insert(0, os.path.join(TOP, "tests"))
from support import closing, machine  # noqa: E402

HOOKED = ["Py_NewInterpreter", "_Py_NewInterpreter", "Py_NewInterpreterFromConfig", "_PyXI_NewInterpreter",
          "Py_EndInterpreter", "_PyXI_EndInterpreter", "Py_FinalizeEx", "Py_Exit"]
# What an ordinary function does not hold: to refuse it is right.
REFUSED = re.compile(r"hlt|int3|pushf|popf|in[bwl ]|out[bwls ]|xgetbv|rdpkru|wrpkru|\(bad\)|xbegin|xabort|xend|xtest")


def output_of(*command):
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout.splitlines()


def disassembled(path):
    """{address: text of the instruction}, {address: the next one's}"""
    found = {}
    for line in output_of("objdump", "-d", "-w", "--no-show-raw-insn", path):
        address, tab, text = line.partition(":\t")
        if tab:
            found[int(address, 16)] = text
    order = sorted(found)
    return found, dict(zip(order, order[1:]))


def same_instructions(path):
    texts, following = disassembled(path)
    problems, count = [], 0
    for line in output_of(os.path.join(HERE, "decode_functions"), path):
        words = line.split()
        if words[0] == "refused":
            text = texts.get(int(words[1], 16), "nothing")
            if not REFUSED.match(text):
                problems.append("%s, which is %s" % (line, text))
            continue
        address, length = int(words[0], 16), int(words[1])
        count += 1
        if address not in texts:
            problems.append("%x: not the beginning of an instruction" % address)
        elif following.get(address, address + length) != address + length:
            problems.append("%x: %d bytes, objdump: %s" % (address, length, texts[address]))
    if count < 10000:
        problems.append("only %d instructions were compared" % count)
    return problems[:20]


def can_be_patched(path):
    lines = output_of(os.path.join(HERE, "decode_functions"), path, *HOOKED)
    problems = [line for line in lines if not re.match(r"entry \w+ \d+$", line)]
    if len(lines) < 4:
        problems.append("only %d hooked functions were found" % len(lines))
    return problems


def files():
    """Each Python's executable, or its libpython where that holds the interpreter."""
    found = {"/usr/lib/%s/*" % sysconfig.get_config_var("MULTIARCH")}
    for python in machine.pythons().values():
        python = os.path.realpath(python)
        found.add(os.path.join(os.path.dirname(os.path.dirname(python)), "lib/*"))
        if output_of(os.path.join(HERE, "decode_functions"), python, *HOOKED):
            yield python
    for folder in found:
        for path in glob.glob(folder):
            if re.search(r"/libpython3\.\d+\w*\.so\.1\.0$", path):
                yield os.path.realpath(path)


def main():
    tally = closing.Tally()
    for path in sorted(set(files())):
        tally.result("patch " + path, can_be_patched(path))
    if machine.tool("objdump"):
        tally.result("as objdump", same_instructions(os.path.realpath("/usr/bin/python3")))
    else:
        tally.skip("as objdump", "there is no objdump")
    return tally.close()


if __name__ == "__main__":
    sys.exit(main())
