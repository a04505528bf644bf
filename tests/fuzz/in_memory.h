/* SPDX-License-Identifier: MIT */
/*
 * Reading of a patched file (fuzz.h) from memory: a recording is read in hundreds of small pieces, and the
 * calls would take nine tenths of the time. The target is linked with FUZZ_IN_MEMORY of fuzz.bzl: the
 * linker's
 * --wrap puts functions of this between it and open, close, fstat and pread. Test code only.
 */
#ifndef RACEWATCH_TESTS_FUZZ_IN_MEMORY_H
#define RACEWATCH_TESTS_FUZZ_IN_MEMORY_H

#include "tests/fuzz/fuzz.h"

/* From now on, so that patches are no longer in the file. The struct has to stay. A few files at most. */
void fuzz_in_memory(struct fuzz_patched *file);

#endif
