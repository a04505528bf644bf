/* SPDX-License-Identifier: MIT */
/*
 * The part of the recording that tells what tests left behind. Included by recording.h, which is the
 * contract, and by nobody else.
 */
#ifndef RACEWATCH_SHIM_RECORDING_ACCOUNTS_H
#define RACEWATCH_SHIM_RECORDING_ACCOUNTS_H

#include <stdint.h>

#define RW_TEST_NAME_MAX 200u
#define RW_ACCOUNT_MAX 32u /* tests that left something, remembered */
#define RW_LEFT_MAX 8u     /* of each sort that are told one by one; the others are counted */
#define RW_LEFT_TARGET_MAX 64u

/* By slot, for the thread may have ended by the time that this is read. */
struct rw_left_thread {
    int32_t tid; /* 0: it had not run yet */
    uint32_t slot;
    uint32_t generation;
};

struct rw_left_descriptor {
    int32_t fd;
    uint32_t access;    /* O_RDONLY, O_WRONLY or O_RDWR, as it was opened */
    uint32_t is_closed; /* it was at a later test's begin or end; stored without the counter */
    char
        target[RW_LEFT_TARGET_MAX]; /* as /proc/self/fd shows it, "pipe:[123]", cut; "" where there is none */
};

enum rw_account_flag {
    RW_ACCOUNT_NO_DESCRIPTORS = 1u << 0, /* it could not be found out which descriptors were open */
};

/* What a test found and what it left, told at its end, and only of one that left something. `left`: made
 * since its begin and still there. A thread may be among them that had been waited for and was on its way
 * out: readers look whether it is there a moment later. */
struct rw_account {
    uint32_t sequence;
    uint32_t flags;  /* enum rw_account_flag */
    uint64_t number; /* rw_test.number */
    uint64_t begin_ns;
    uint64_t end_ns;
    uint32_t threads_begin, threads_end, threads_left;
    uint32_t interpreters_begin, interpreters_end, interpreters_left; /* besides the main one */
    uint32_t descriptors_begin, descriptors_end, descriptors_left;
    uint32_t index; /* which account of the process it is, from 1 on; the low 32 bits */
    struct rw_left_thread threads[RW_LEFT_MAX];
    uint64_t interpreters[RW_LEFT_MAX]; /* ids; UINT64_MAX where not known */
    struct rw_left_descriptor descriptors[RW_LEFT_MAX];
    char test[RW_TEST_NAME_MAX];
};

#endif
