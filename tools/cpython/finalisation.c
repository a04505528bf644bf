/* SPDX-License-Identifier: MIT */
/*
 * Waits that finalisation brings about. A thread that wants back into an interpreter that is gone sleeps for
 * ever in pause(): PyThread_hang_thread, from 3.13.1 on (before, it ended). And from 3.15 on the one who
 * finalises waits until nobody holds a guard of the interpreter.
 */
#include "tools/cpython/python.h"

#include <talloc.h>

#define INTERPRETER_MAX (1u << 20) /* bytes of PyInterpreterState; 3.15's are 226,240 */

static void nobody_owns(struct rw_wait_on *wait, int tid, enum rw_certainty certainty, const char *how)
{
    wait->owner = (struct rw_owner){.tid = tid, .pid = -1, .certainty = certainty, .how = how};
    wait->has_deadline = false;
    wait->deadline_in_s = 0;
}

/* "jmp" by 8 or 32 bits back to the call that it follows, with an instruction or two between them at most. */
static bool jumps_back(const uint8_t code[5])
{
    int32_t far;
    memcpy(&far, code + 1, sizeof far);
    int distance = code[0] == 0xeb ? (int8_t)code[1] + 2 : code[0] == 0xe9 ? far + 5 : 0;
    return distance <= -5 && distance >= -16;
}

/* PyThread_hang_thread is a loop around pause(), mostly inlined into executables without symbols.
 * signal.pause() and a program's own code go on after the call; so what follows the call is looked at. */
static const char *why_hung(struct rw_python *py, const struct rw_thread *thread)
{
    for (size_t i = 0; i < thread->native_count; i++) {
        const struct rw_frame *frame = &thread->native[i];
        uint8_t code[5];
        if (frame->function && !strcmp(frame->function, "PyThread_hang_thread"))
            return "native frame PyThread_hang_thread";
        if (frame->function && !strcmp(frame->function, "pause") && i + 1 < thread->native_count &&
            !rw_py_read(py, thread->native[i + 1].pc, code, sizeof code) && jumps_back(code))
            return "it is in a loop that does nothing but pause()";
    }
    return NULL;
}

static bool refine_hung(struct rw_python *py, struct rw_thread *thread)
{
    const char *why = why_hung(py, thread);
    if (!why)
        return false;
    struct rw_wait_on *wait = rw_thread_wait_on(py->incident, thread);
    wait->kind = "thread-state";
    wait->call = "PyThread_hang_thread";
    wait->name = "its thread state, which finalisation took away";
    wait->evidence = why;
    nobody_owns(wait, 0, RW_EXACT, "nobody will ever wake it");
    return true;
}

/* Where an interpreter counts its guards: no debug offset tells, but a function that does nothing but return
 * it, which is one load from its argument, with or without a frame of its own. 0: not known. */
static uint32_t guards_at(struct rw_python *py)
{
    static const uint8_t endbr64[] = {0xf3, 0x0f, 0x1e, 0xfa}, frame[] = {0x55, 0x48, 0x89, 0xe5},
                         load[] = {0x48, 0x8b, 0x87};
    uint8_t code[24];
    size_t at = 0;
    uint64_t function = rw_symbols_address_of(py->symbols, "_PyInterpreterState_GuardCountdown");
    if (!function || rw_py_read(py, function, code, sizeof code))
        return 0;
    if (!memcmp(code, endbr64, sizeof endbr64))
        at += sizeof endbr64;
    bool has_frame = !memcmp(code + at, frame, sizeof frame);
    if (has_frame)
        at += sizeof frame;
    if (memcmp(code + at, load, sizeof load) || code[at + 7] != (has_frame ? 0x5d : 0xc3))
        return 0;
    return rw_py_field32(code, (uint32_t)at + 3);
}

/* The other way to know, where there are symbols: who parks here is finalisation, and parks for nothing else.
 */
static bool is_parked_by_finalisation(const struct rw_thread *thread)
{
    for (size_t i = 0; i + 1 < thread->native_count; i++)
        if (thread->native[i].function && !strcmp(thread->native[i].function, "_PyParkingLot_Park"))
            return thread->native[i + 1].function &&
                   !strcmp(thread->native[i + 1].function, "make_pre_finalization_calls");
    return false;
}

static bool refine_guard(struct rw_python *py, struct rw_thread *thread)
{
    struct rw_wait_on *wait = thread->waits_on;
    if (py->layout.minor < 15 || !wait || !wait->kind ||
        (strcmp(wait->kind, "futex") && strcmp(wait->kind, "semaphore")))
        return false;
    /* The parking lot's entry has the address that is parked on before its semaphore. */
    uint64_t parked = rw_py_word(py, wait->object - 8);
    uint32_t at = parked ? guards_at(py) : 0;
    bool is_named = parked && !at && is_parked_by_finalisation(thread);
    for (size_t i = 0; i < py->interpreter_count && (at || is_named); i++) {
        const struct rw_py_interpreter *in = &py->interpreters[i];
        uint64_t guards = rw_py_word(py, parked);
        if (is_named ? parked < in->address || parked >= in->address + INTERPRETER_MAX
                     : parked != in->address + at)
            continue;
        wait->kind = "interpreter-guard";
        wait->call = NULL;
        wait->object = parked;
        wait->name = talloc_asprintf(py->incident, "%llu guard%s of interpreter %d",
                                     (unsigned long long)guards, guards == 1 ? "" : "s", (int)in->id);
        wait->evidence = is_named ? "native frames make_pre_finalization_calls and _PyParkingLot_Park"
                                  : "it is parked on the interpreter's count of guards";
        nobody_owns(wait, -1, RW_UNKNOWN, NULL); /* a guard does not say who took it */
        return true;
    }
    return false;
}

bool rw_py_refine_finalisation(struct rw_python *py, struct rw_thread *thread)
{
    return refine_hung(py, thread) || refine_guard(py, thread);
}
