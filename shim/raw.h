/* SPDX-License-Identifier: MIT */
/*
 * System calls without libc: they leave errno alone, are no cancellation points, cannot be interposed by
 * another preloaded library, and may be made in a child that shares its parent's memory. x86-64.
 *
 * Each returns the result or a negative errno.
 */
#ifndef RACEWATCH_SHIM_RAW_H
#define RACEWATCH_SHIM_RAW_H

#include <stdbool.h>
#include <sys/syscall.h>

/* For a result that may be an address. */
static inline bool rw_raw_is_error(long result)
{
    return (unsigned long)result >= -4095ul;
}

static inline long rw_raw6(long number, long a, long b, long c, long d, long e, long f)
{
    long result;
    register long r10 __asm__("r10") = d;
    register long r8 __asm__("r8") = e;
    register long r9 __asm__("r9") = f;
    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                     : "rcx", "r11", "memory");
    return result;
}

static inline long rw_raw4(long number, long a, long b, long c, long d)
{
    long result;
    register long r10 __asm__("r10") = d;
    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10)
                     : "rcx", "r11", "memory");
    return result;
}

static inline long rw_raw3(long number, long a, long b, long c)
{
    long result;
    __asm__ volatile("syscall" : "=a"(result) : "a"(number), "D"(a), "S"(b), "d"(c) : "rcx", "r11", "memory");
    return result;
}

static inline long rw_raw0(long number)
{
    long result;
    __asm__ volatile("syscall" : "=a"(result) : "a"(number) : "rcx", "r11", "memory");
    return result;
}

#endif
