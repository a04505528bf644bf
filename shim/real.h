/* SPDX-License-Identifier: MIT */
/*
 * The functions that the shim wraps, as the program would have had them without it: the next ones in the
 * lookup order (another preloaded library's, if there is one). And a clock that
 * no other preloaded library bends.
 */
#ifndef RACEWATCH_SHIM_REAL_H
#define RACEWATCH_SHIM_REAL_H

#include <dlfcn.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <spawn.h>
#include <sys/time.h>
#include <sys/types.h>
#include <threads.h>
#include <time.h>

#define RW_EXPORT __attribute__((visibility("default")))
/* On the declaration of a variable that fast paths read: -fvisibility=hidden speaks of definitions only, and
 * the address of what may be another library's costs an instruction and a register. */
#define RW_HIDDEN __attribute__((visibility("hidden")))
#define RW_SPAWN_ARGUMENTS                                                                                   \
    (pid_t *, const char *, const posix_spawn_file_actions_t *, const posix_spawnattr_t *, char *const[],    \
     char *const[])

/* What signal() and its like take and give. */
typedef void (*RW_HANDLER)(int);

#define RW_REAL(result, name, symbol, version, arguments) result(*name) arguments;
struct rw_real {
#include "shim/real.def"
    int (*clock_gettime)(clockid_t, struct timespec *); /* the kernel's; NULL: make the system call */
    void *stack_end; /* where the main thread's frames end, NULL if not known */
};
#undef RW_REAL

extern struct rw_real rw_real RW_HIDDEN;

/* libc's: not 0 while no second thread was ever made; never NULL. */
extern const char *rw_is_single_threaded RW_HIDDEN;

/* Fills rw_real. Wrappers that are called before the constructor do it on the way; it may run more than once,
 * in several threads, with the same result. Returns the name of a function that is missing, NULL if none is.
 * errno is kept. */
const char *rw_real_resolve(void);

/* The real function; calls that come before the constructor find it too. */
#define RW_REAL_OF(name)                                                                                     \
    (__builtin_expect(rw_real.name != NULL, 1) ? rw_real.name : (rw_real_resolve(), rw_real.name))

#endif
