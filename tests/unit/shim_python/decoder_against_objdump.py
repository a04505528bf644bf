#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""
Compares the shim's decoder with objdump over every function that each Python of this machine exports: the same
instructions, and nothing anywhere in the file that branches into the bytes that the hooked functions give up.
"""

import glob
import os
import re
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(os.path.dirname(HERE)))
sys.path.insert(0, os.path.join(TOP, "tests"))
from support import closing, machine  # noqa: E402

HOOKED = re.compile(r" (_?Py_NewInterpreter|Py_NewInterpreterFromConfig|_PyXI_NewInterpreter|Py_EndInterpreter|"
                    r"_PyXI_EndInterpreter|Py_FinalizeEx|Py_Exit)(@|$)")
# What an ordinary function does not hold: to refuse it is right.
REFUSED = re.compile(r"hlt|int3|pushf|popf|in[bwl ]|out[bwls ]|xgetbv|rdpkru|wrpkru|\(bad\)|xbegin|xabort|xend|xtest")
INSTRUCTION = re.compile(r"^ *([0-9a-f]+):\t(.*)")
BRANCH = re.compile(r"^(?:notrack |bnd |addr32 |data16 )*(?:j\w+|call|loop\w*)\s+([0-9a-f]+)\b")


def output_of(*command):
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout.splitlines()


def disassembled(path):
    """{address: text of the instruction}, {address: the next one's}"""
    found = {}
    for line in output_of("objdump", "-d", "-w", "--no-show-raw-insn", path):
        match = INSTRUCTION.match(line)
        if match:
            found[int(match.group(1), 16)] = match.group(2)
    order = sorted(found)
    return found, dict(zip(order, order[1:]))


def hooked_functions(path):
    """{address: name}"""
    return {int(line.split()[1], 16): line.split()[7].split("@")[0]
            for line in output_of("readelf", "-W", "--dyn-syms", path)
            if HOOKED.search(line) and " FUNC " in line and " UND " not in line}


def compare(path):
    texts, following = disassembled(path)
    hooked = hooked_functions(path)
    problems, taken, count = [], {}, 0
    for line in output_of(os.path.join(HERE, "decode_functions"), path):
        words = line.split()
        if words[0] == "entry":
            if int(words[1], 16) in hooked:
                taken[int(words[1], 16)] = words[2]
        elif words[0] == "refused":
            text = texts.get(int(words[1], 16), "nothing")
            if not REFUSED.match(text):
                problems.append("refused: %s, which is %s" % (line, text))
        else:
            address, length = int(words[0], 16), int(words[1])
            count += 1
            if following.get(address) != address + length and address in following:
                problems.append("%x: %d bytes, objdump: %s" % (address, length, texts[address]))
            elif address not in texts:
                problems.append("%x: not the beginning of an instruction" % address)
    problems += ["%s cannot be patched: %s" % (hooked[a], how) for a, how in taken.items() if not how.isdigit()]
    if len(taken) < 4 or count < 10000:
        problems.append("only %d hooked functions and %d instructions were found" % (len(taken), count))
    given_up = {a + i: hooked[a] for a, how in taken.items() if how.isdigit() for i in range(1, int(how))}
    for address, text in texts.items():
        match = BRANCH.match(text)
        if match and int(match.group(1), 16) in given_up:
            problems.append("%x branches into %s: %s" % (address, given_up[int(match.group(1), 16)], text))
    return problems[:20]


def files():
    """Each Python's executable, or its libpython where that holds the interpreter."""
    for version, python in sorted(machine.pythons().items()):
        python = os.path.realpath(python)
        folder = os.path.join(os.path.dirname(os.path.dirname(python)), "lib")
        if hooked_functions(python):
            yield python
        yield from glob.glob("%s/**/libpython%s*.so.1.0" % (folder, version), recursive=True)


def main():
    tally = closing.Tally()
    if not machine.tool("objdump"):
        tally.skip("decoder", "there is no objdump")
    else:
        for path in sorted(set(map(os.path.realpath, files()))):
            tally.result(path, compare(path))
    return tally.close()


if __name__ == "__main__":
    sys.exit(main())
