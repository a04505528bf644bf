/* SPDX-License-Identifier: MIT */
/*
 * Measures x86-64 instructions, and says where each may go on. Knows what compilers emit for user space;
 * everything else (breakpoints, port input and output, far calls, instructions that do not exist) is refused,
 * because whoever asks is about to move code. A pure function; any thread, also in signal handlers.
 */
#ifndef RACEWATCH_SHIM_X86_DECODE_H
#define RACEWATCH_SHIM_X86_DECODE_H

#include <stddef.h>
#include <stdint.h>

enum rw_x86_flow {
    RW_X86_NEXT,          /* the next instruction follows */
    RW_X86_CALL,          /* call rel32 */
    RW_X86_JUMP,          /* jmp rel8 or rel32 */
    RW_X86_BRANCH,        /* jcc rel8 or rel32 */
    RW_X86_LOOP,          /* loop or jrcxz: conditional, and has no long form */
    RW_X86_CALL_INDIRECT, /* through a register or memory */
    RW_X86_JUMP_INDIRECT,
    RW_X86_RETURN,
    RW_X86_TRAP, /* ud2 */
};

struct rw_x86_instruction {
    uint8_t length; /* bytes, 1 to 15 */
    uint8_t flow;   /* enum rw_x86_flow */
    /* The number in it that counts from its own end: a branch's distance, or the displacement of a
     * rip-relative operand. */
    uint8_t relative_size;   /* bytes: 0 where it has none, 1 or 4 */
    uint8_t relative_offset; /* from the instruction's first byte */
    int32_t relative;
    uint8_t condition; /* of a BRANCH: low four bits of its opcode */
};

/* Decodes the instruction at `code`, of which `available` bytes may be read. 0, -EILSEQ where it is not one
 * that is known, -ENODATA where it does not end within the bytes. */
int rw_x86_decode(const uint8_t *code, size_t available, struct rw_x86_instruction *instruction);

#endif
