/* SPDX-License-Identifier: MIT */
/* Functions with every kind of beginning that a patch has to cope with (functions.S). */
#ifndef RACEWATCH_TESTS_FUNCTIONS_H
#define RACEWATCH_TESTS_FUNCTIONS_H

#include <stddef.h>

typedef long function(long, long);

#define FUNCTION(name)                                                                                       \
    function name;                                                                                           \
    extern const size_t name##_size

/* What may be moved. Each returns 10 * first + second, if it runs as it should. */
FUNCTION(fn_pushes);
FUNCTION(fn_patched_twice);
FUNCTION(fn_endbr);
FUNCTION(fn_rip_relative);
FUNCTION(fn_tail_jump);
FUNCTION(fn_call_first);
FUNCTION(fn_call_through_pointer);
FUNCTION(fn_short_branch);

/* What must not be. */
FUNCTION(fn_too_short);
FUNCTION(fn_loops_back);
FUNCTION(fn_breakpoint);
FUNCTION(fn_call_register);
FUNCTION(fn_jrcxz);

/* A function and its size, for initialisers and arguments. */
#define WITH_SIZE(name) name, name##_size

/* Calls `callback`, with a call among its first five bytes. */
void *fn_calls_back(void *(*callback)(void));
extern const size_t fn_calls_back_size;

#endif
