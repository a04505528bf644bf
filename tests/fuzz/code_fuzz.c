/* SPDX-License-Identifier: MIT */
/* Machine code of anybody's: it is measured in bounds, and what is moved is no longer than its room. */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "shim/x86_decode.h"
#include "shim/x86_move.h"
#include "tests/fuzz/fuzz.h"

#define WANTED 5u /* a jump */

static void decode_all(const uint8_t *code, size_t size)
{
    struct rw_x86_instruction instruction;
    for (size_t at = 0; at < size; at += instruction.length) {
        if (rw_x86_decode(code + at, size - at, &instruction) != 0)
            return;
        if (instruction.length == 0 || instruction.length > 15 || instruction.length > size - at ||
            instruction.relative_offset + instruction.relative_size > instruction.length)
            abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static uint8_t *room;
    if (size == 0)
        return 0;
    if (room ==
        NULL) { /* below 2 GiB, so that no fuzzer's heap is within a jump's reach of it, nor has to be */
        room = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
        if (room == MAP_FAILED)
            abort();
    }
    size_t taken = 0;
    decode_all(bytes, size);
    memset(room, 0xcc, 2 * (size_t)RW_X86_MOVED_MAX);
    size_t lengths[] = {size, size < 64 ? size : 64};
    for (size_t i = 0; i < 2; i++)
        if (rw_x86_move(bytes, lengths[i], WANTED, room, RW_X86_MOVED_MAX, &taken) == 0 &&
            (taken < WANTED || taken > lengths[i]))
            abort();
    for (size_t i = RW_X86_MOVED_MAX; i < 2 * (size_t)RW_X86_MOVED_MAX; i++)
        if (room[i] != 0xcc)
            abort();
    return 0;
}
