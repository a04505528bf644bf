/* SPDX-License-Identifier: MIT */
#include "shim/x86_move.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "shim/x86_decode.h"

enum { JUMP_SIZE = 5 };

struct output {
    uint8_t *at;
    uint8_t *end;
    int error; /* the first one; nothing is written after it */
};

static void emit(struct output *out, const void *bytes, size_t length)
{
    if (!out->error && (size_t)(out->end - out->at) < length)
        out->error = -ENOSPC;
    if (out->error)
        return;
    memcpy(out->at, bytes, length);
    out->at += length;
}

/* A distance to `target` that counts from the end of itself, `behind` bytes further where more follows it. */
static void emit_distance(struct output *out, uintptr_t target, size_t behind)
{
    const intptr_t distance = (intptr_t)(target - ((uintptr_t)out->at + 4 + behind));
    const int32_t narrow = (int32_t)distance;
    if (!out->error && distance != narrow)
        out->error = -ERANGE;
    emit(out, &narrow, sizeof narrow);
}

static void emit_jump(struct output *out, uintptr_t target)
{
    emit(out, "\xe9", 1);
    emit_distance(out, target, 0);
}

static void emit_branch(struct output *out, uint8_t condition, uintptr_t target)
{
    const uint8_t opcode[2] = {0x0f, (uint8_t)(0x80 | condition)};
    emit(out, opcode, sizeof opcode);
    emit_distance(out, target, 0);
}

/* push imm32 extends the sign; the second half is put right after it. No flag and no register changes. */
static void emit_push_address(struct output *out, uintptr_t address)
{
    const uint32_t low = (uint32_t)address, high = (uint32_t)(address >> 32);
    emit(out, "\x68", 1);
    emit(out, &low, sizeof low);
    emit(out, "\xc7\x44\x24\x04", 4); /* movl $high, 4(%rsp) */
    emit(out, &high, sizeof high);
}

static void emit_with_displacement(struct output *out, const uint8_t *code,
                                   const struct rw_x86_instruction *in, uintptr_t target)
{
    const size_t after = in->relative_offset + 4u;
    emit(out, code, in->relative_offset);
    emit_distance(out, target, in->length - after);
    emit(out, code + after, in->length - after);
}

/* An indirect call through a rip-relative pointer, as a jump: FF /2 becomes FF /4. */
static void emit_indirect_call(struct output *out, const struct rw_x86_instruction *in, uintptr_t next,
                               uintptr_t pointer)
{
    if (in->relative_size != 4 || in->length != 6) {
        out->error = -EILSEQ;
        return;
    }
    emit_push_address(out, next);
    emit(out, "\xff\x25", 2);
    emit_distance(out, pointer, 0);
}

/* Writes one instruction for its new place. Returns whether the one behind it can be reached. */
static bool emit_moved(struct output *out, const uint8_t *code, const struct rw_x86_instruction *in)
{
    const uintptr_t next = (uintptr_t)code + in->length;
    const uintptr_t target = next + (uintptr_t)(intptr_t)in->relative;
    switch (in->flow) {
    case RW_X86_CALL:
        emit_push_address(out, next);
        emit_jump(out, target);
        return false;
    case RW_X86_CALL_INDIRECT:
        emit_indirect_call(out, in, next, target);
        return false;
    case RW_X86_JUMP:
        emit_jump(out, target);
        return false;
    case RW_X86_BRANCH:
        emit_branch(out, in->condition, target);
        return true;
    case RW_X86_LOOP:
        out->error = -EILSEQ;
        return true;
    default:
        if (in->relative_size)
            emit_with_displacement(out, code, in, target);
        else
            emit(out, code, in->length);
        return in->flow == RW_X86_NEXT;
    }
}

/* Whether anything in the function branches to behind the first of its first `taken` bytes. 0, -ELOOP,
 * -EILSEQ. */
static int check_branches(const uint8_t *function, size_t size, size_t taken)
{
    struct rw_x86_instruction in;
    for (size_t at = 0; at < size; at += in.length) {
        const int error = rw_x86_decode(function + at, size - at, &in);
        if (error)
            return -EILSEQ;
        const bool branches = in.flow == RW_X86_JUMP || in.flow == RW_X86_BRANCH || in.flow == RW_X86_LOOP ||
                              in.flow == RW_X86_CALL;
        const intptr_t target = (intptr_t)at + in.length + in.relative;
        if (branches && target > 0 && target < (intptr_t)taken)
            return -ELOOP;
    }
    return 0;
}

int rw_x86_move(const uint8_t *function, size_t size, size_t wanted, uint8_t *to, size_t room, size_t *taken)
{
    struct output out = {.at = to, .end = to + room};
    struct rw_x86_instruction in;
    bool goes_on = true;
    size_t at = 0;
    for (; at < wanted; at += in.length) {
        if (!goes_on || at >= size)
            return -EMSGSIZE;
        const int error = rw_x86_decode(function + at, size - at, &in);
        if (error)
            return error == -ENODATA ? -EMSGSIZE : error;
        /* A call shorter than what the jump overwrites would return into the jump's last bytes. */
        const bool calls = in.flow == RW_X86_CALL || in.flow == RW_X86_CALL_INDIRECT;
        if (calls && at + in.length < wanted)
            return -EILSEQ;
        goes_on = emit_moved(&out, function + at, &in);
    }
    if (goes_on)
        emit_jump(&out, (uintptr_t)function + at);
    if (out.error)
        return out.error;
    *taken = at;
    return check_branches(function, size, at);
}

int rw_x86_write_jump(uint8_t *at, const uint8_t *place, const uint8_t *target)
{
    const intptr_t distance = target - (place + JUMP_SIZE);
    const int32_t narrow = (int32_t)distance;
    if (distance != narrow)
        return -ERANGE;
    at[0] = 0xe9;
    memcpy(at + 1, &narrow, sizeof narrow);
    return 0;
}
