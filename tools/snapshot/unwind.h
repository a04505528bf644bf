/* SPDX-License-Identifier: MIT */
/*
 * From registers and a copy of the stack to frames. The thread that the copy was taken of runs on meanwhile.
 * x86-64.
 */
#ifndef RACEWATCH_TOOLS_SNAPSHOT_UNWIND_H
#define RACEWATCH_TOOLS_SNAPSHOT_UNWIND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shim/recording.h"
#include "tools/incident/incident.h"

struct rw_image;

#define RW_FRAMES_MAX                                                                                        \
    4096u /* CPython up to 3.10 takes three for a call, and has a recursion limit of 1,000 */

/* Registers in the order of DWARF's numbering, as in struct rw_capture. */
#define RW_REGISTERS_ALL ((1u << RW_REGISTER_COUNT) - 1)
/* What a thread can tell of itself as it is about to block: rbx rbp rsp r12-r15 rip. */
#define RW_REGISTERS_PRESERVED (1u << 3 | 1u << 6 | 1u << 7 | 0xfu << 12 | 1u << 16)

struct rw_stack {
    uint64_t registers[RW_REGISTER_COUNT];
    uint32_t valid; /* bit i: registers[i] is known */
    uint64_t address;
    const uint8_t *bytes; /* not owned */
    size_t length;
    bool
        is_still; /* the thread stands where it stood: what it has beyond the copy may be read as it is now */
};

/* A capture out of a recording, as the unwinder takes it; `bytes` must outlive the result. */
void rw_stack_from_capture(const struct rw_capture *capture, const uint8_t *bytes, struct rw_stack *stack);

/* The frames of a stack, innermost first, inlined calls included, named; at most RW_FRAMES_MAX. *note is
 * NULL, or says for people why the list ends early or is less than certain. All under `incident`. Returns 0,
 * also with an incomplete list, or -ENOMEM. */
int rw_unwind(struct rw_image *image, const struct rw_stack *stack, struct rw_incident *incident,
              struct rw_frame **frames, size_t *count, const char **note);

#endif
