/* SPDX-License-Identifier: MIT */
/*
 * The part of the recording that is a thread's registers, and what is known of the copy of its stack that
 * lies beside them. Included by recording.h, which is the contract, and by recording_orders.h.
 */
#ifndef RACEWATCH_SHIM_RECORDING_CAPTURE_H
#define RACEWATCH_SHIM_RECORDING_CAPTURE_H

#include <stdint.h>

/* Registers in the order of DWARF's numbering for x86-64: rax rdx rcx rbx rsi rdi rbp rsp r8..r15 rip. */
#define RW_REGISTER_COUNT 17u

enum rw_capture_by {
    RW_CAPTURE_NONE = 0,
    RW_CAPTURE_WAIT,    /* by the thread as it was about to block: rbx rbp rsp r12-r15 rip are valid */
    RW_CAPTURE_HANDLER, /* by the capture signal's handler, or a fatal signal's: all registers are valid */
};

struct rw_capture {
    uint32_t sequence; /* odd while being written */
    uint32_t by;       /* enum rw_capture_by */
    uint64_t time_ns;
    uint64_t request; /* with RW_CAPTURE_HANDLER: rw_header.capture_request that it answers */
    uint64_t registers[RW_REGISTER_COUNT];
    uint64_t stack_address; /* of the first byte in rw_slot_area.stack; equals the stack pointer (-128 for the
                               red zone by handler) */
    uint32_t stack_length;  /* bytes; less than the whole stack where it did not fit */
    uint32_t stack_whole;   /* 1 if the copy reaches the outermost frame */
};

#endif
