/* SPDX-License-Identifier: MIT */
/* A program that prints what threads, locks and processes do, a line per behaviour. Bare and under the shim
 * it must print the same. So nothing is printed that differs from run to run: no address, no time, no pid. */
#ifndef RACEWATCH_TESTS_BEHAVIOUR_H
#define RACEWATCH_TESTS_BEHAVIOUR_H

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/types.h>
#include <time.h>

/* "name: number", and the name of the errno where it is one. */
void tell(const char *name, long number);

/* A call whose errors are in errno: its result, and errno where that is -1. */
#define TELL_ERRNO(name, call)                                                                               \
    do {                                                                                                     \
        errno = 0;                                                                                           \
        long result_ = (call);                                                                               \
        tell(name, result_ == -1 ? -(long)errno : result_);                                                  \
    } while (0)

/* So much later, by that clock. */
struct timespec in_ms(clockid_t clock, long ms);

/* Runs the function in a thread of its own and returns its value. */
void *in_thread(void *(*function)(void *), void *argument);

/* Until the thread whose number is put there blocks in that system call, and stays: of a futex, in one that
 * is a part of the object, if that is not NULL. */
void await_blocked(_Atomic pid_t *tid, long call, const void *object, size_t size);

/* The exit status of a child, 256 more than the signal that ended it, or a negative errno. */
long status_of(pid_t pid);

void tell_mutexes(const char *self);
void tell_conditions(const char *self);
void tell_semaphores(const char *self);
void tell_rwlocks_and_barriers(const char *self);
void tell_cancellation(const char *self);
void tell_kept_and_times(const char *self);
void tell_contexts(const char *self);
void tell_cancellation_points(const char *self);
void tell_threads(const char *self);
void tell_signals(const char *self);
void tell_crashes(const char *self);
void tell_shared(const char *self);
void tell_destruction(const char *self);
void tell_forks(const char *self);
void tell_children(const char *self);
void tell_processes(const char *self);
void tell_libraries(const char *self);
void tell_namespaces(const char *self);
void tell_limits(const char *self);
void tell_confined(const char *self);

#endif
