/* SPDX-License-Identifier: MIT */
/* pthread_create: the thread starts in a function of ours, which tells its begin and its end. */
#include "shim/perturb_delay.h"
#include "shim/python_hooks.h"
#include "shim/real.h"
#include "shim/reaped.h"
#include "shim/thread.h"

/* The cleanup handler sees pthread_exit and cancellation. In C without -fexceptions it is the kind that needs
 * setjmp and nothing of libgcc. */
static void *begin_thread(void *argument)
{
    struct rw_launch *launch = argument;
    void *(*start)(void *) = launch->start;
    void *result, *start_argument = launch->argument;
    rw_thread_started(launch);
    rw_delay(RW_DELAY_START, (const void *)start);
    pthread_cleanup_push(rw_thread_unwound, NULL);
    result = start(start_argument);
    pthread_cleanup_pop(0);
    rw_thread_ended(false);
    return result;
}

static int begin_thread_c11(void *argument)
{
    struct rw_launch *launch = argument;
    thrd_start_t start = launch->start_c11;
    void *start_argument = launch->argument;
    int result;
    rw_thread_started(launch);
    rw_delay(RW_DELAY_START, (const void *)start);
    pthread_cleanup_push(rw_thread_unwound, NULL);
    result = start(start_argument);
    pthread_cleanup_pop(0);
    rw_thread_ended(false);
    return result;
}

RW_EXPORT int pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*start)(void *),
                             void *argument)
{
    const void *return_address = __builtin_return_address(0);
    int detach_state = PTHREAD_CREATE_JOINABLE;
    size_t stack_size = 0;
    if (attributes) {
        pthread_attr_getdetachstate(attributes, &detach_state);
        pthread_attr_getstacksize(attributes, &stack_size);
    }
    struct rw_launch *launch = rw_thread_prepare((uint64_t)start, detach_state == PTHREAD_CREATE_DETACHED,
                                                 stack_size, return_address);
    if (!launch) {
        int result = RW_REAL_OF(pthread_create)(thread, attributes, start, argument);
        if (result == 0)
            rw_reaped_forget((uint64_t)*thread);
        return result;
    }
    launch->start = start;
    launch->argument = argument;
    if (__builtin_expect(rw_perturb_mode != RW_PERTURB_OFF, 0))
        rw_python_lines_thread_comes(return_address);
    int error = RW_REAL_OF(pthread_create)(thread, attributes, begin_thread, launch);
    rw_thread_created(launch, error == 0 ? (uint64_t)*thread : 0, error, return_address);
    return error;
}

RW_EXPORT int thrd_create(thrd_t *thread, thrd_start_t start, void *argument)
{
    const void *return_address = __builtin_return_address(0);
    struct rw_launch *launch = rw_thread_prepare((uint64_t)start, false, 0, return_address);
    if (!launch) {
        int result = RW_REAL_OF(thrd_create)(thread, start, argument);
        if (result == thrd_success)
            rw_reaped_forget((uint64_t)*thread);
        return result;
    }
    launch->start_c11 = start;
    launch->argument = argument;
    int error = RW_REAL_OF(thrd_create)(thread, begin_thread_c11, launch);
    rw_thread_created(launch, error == thrd_success ? (uint64_t)*thread : 0, error != thrd_success,
                      return_address);
    return error;
}
