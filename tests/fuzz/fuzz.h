/* SPDX-License-Identifier: MIT */
/*
 * What fuzz targets share. A target defines LLVMFuzzerTestOneInput, which libFuzzer calls (bazel build
 * --config=fuzz), or, in every other build, main.c, with the seeds and with mutations of them that are always
 * the same. Test code only: a failure ends the program.
 */
#ifndef RACEWATCH_TESTS_FUZZ_H
#define RACEWATCH_TESTS_FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

/*
 * Inputs that change something big that is good, instead of being it: a recording or an ELF file of any bytes
 * would be refused at its first page. An input is a row of patches: where (4 bytes, taken modulo the size),
 * what (8 bytes), and how many of those (1 byte: 1, 2, 4 or 8 by its low bits; with the bit 128 the file is
 * cut there instead).
 */
#define FUZZ_PATCH 13u

struct fuzz_patched {
    const uint8_t *good; /* what it is when nothing is changed; not owned */
    size_t size;
    int fd;
    uint8_t *bytes;    /* the file, mapped; NULL if the good one is empty */
    size_t length;     /* of it, now */
    bool is_in_memory; /* in_memory.h: `bytes` is a copy, all of it whatever the length */
    const char *path;  /* which the target never frees: a sanitizer finds it here */
};

/* Writes the good bytes to a new file of that name in the target's own folder, which is removed at exit. Its
 * path, which stays valid. */
const char *fuzz_patched_open(struct fuzz_patched *file, const char *name, const uint8_t *good, size_t size);
void fuzz_patch(struct fuzz_patched *file, const uint8_t *patches, size_t size);
/* Makes it good again. */
void fuzz_unpatch(struct fuzz_patched *file, const uint8_t *patches, size_t size);

/* A stream that takes anything and keeps nothing. */
struct _IO_FILE *fuzz_nowhere(void);

#endif
