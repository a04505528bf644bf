/* SPDX-License-Identifier: MIT */
/* The end of the process: main returned, or an exit was called. */
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#include "shim/perturb_delay.h"
#include "shim/crash.h"
#include "shim/python_hooks.h"
#include "shim/real.h"
#include "shim/recorder.h"
#include "shim/recording_file.h"
#include "shim/self.h"
#include "shim/thread.h"

static int (*real_main)(int, char **, char **);

/* The first exit counts: a second one comes from an atexit handler, or from a thread that is late. */
static void note_exit(int status)
{
    struct rw_self *self = rw_enter_without_slot();
    if (!self)
        return;
    if (rw_header->exit_begin_ns == 0) {
        rw_header->exit_status = status;
        rw_header->exit_tid = rw_self_tid(self);
    }
    rw_leave(self);
    rw_record_milestone(RW_MILESTONE_EXIT_BEGIN);
}

static void begin_exit(int status, const void *return_address)
{
    rw_crash_first();
    note_exit(status);
    rw_record_event(RW_EVENT_EXIT_BEGIN, 0, (uint64_t)(uint32_t)status, return_address);
    rw_delay(RW_DELAY_EXIT, return_address);
}

/* glibc goes on to exit by itself when main has returned; that call is not seen. */
static int call_main(int count, char **arguments, char **environment)
{
    int status;
    pthread_cleanup_push(rw_thread_unwound,
                         NULL); /* the main thread may end by pthread_exit, and the others go on */
    status = real_main(count, arguments, environment);
    pthread_cleanup_pop(0);
    rw_crash_first();
    rw_record_milestone(RW_MILESTONE_MAIN_RETURNED);
    note_exit(status);
    rw_record_event(RW_EVENT_MAIN_RETURNED, 0, (uint64_t)(uint32_t)status, NULL);
    rw_delay(RW_DELAY_EXIT, NULL);
    return status;
}

/* The GLIBC_2.2.5 and the GLIBC_2.34 version are one function in libc: what differs is whether `init` is
 * given. */
RW_EXPORT int __libc_start_main(int (*main)(int, char **, char **), int count, char **arguments,
                                void (*init)(void), void (*fini)(void), void (*loader_fini)(void),
                                void *stack_end);
int __libc_start_main(int (*main)(int, char **, char **), int count, char **arguments, void (*init)(void),
                      void (*fini)(void), void (*loader_fini)(void), void *stack_end)
{
    real_main = main;
    return RW_REAL_OF(__libc_start_main)(rw_live ? call_main : main, count, arguments, init, fini,
                                         loader_fini, stack_end);
}

RW_EXPORT void exit(int status)
{
    if (!rw_is_vfork_child()) {
        rw_python_exit_begins();
        begin_exit(status, __builtin_return_address(0));
    }
    RW_REAL_OF(exit)(status);
    __builtin_unreachable();
}

RW_EXPORT void _exit(int status)
{
    if (!rw_is_vfork_child())
        begin_exit(status, __builtin_return_address(0));
    RW_REAL_OF(_exit)(status);
    __builtin_unreachable();
}

RW_EXPORT void _Exit(int status)
{
    if (!rw_is_vfork_child())
        begin_exit(status, __builtin_return_address(0));
    RW_REAL_OF(_Exit)(status);
    __builtin_unreachable();
}

#define QUICK_EXIT(name, real)                                                                               \
    RW_EXPORT _Noreturn void name(int status);                                                               \
    void name(int status)                                                                                    \
    {                                                                                                        \
        if (!rw_is_vfork_child())                                                                            \
            begin_exit(status, __builtin_return_address(0));                                                 \
        RW_REAL_OF(real)(status);                                                                            \
        __builtin_unreachable();                                                                             \
    }

QUICK_EXIT(rw_quick_exit_2_24, quick_exit)
QUICK_EXIT(rw_quick_exit_2_10, quick_exit_2_10)
__asm__(".symver rw_quick_exit_2_24, quick_exit@@@GLIBC_2.24");
__asm__(".symver rw_quick_exit_2_10, quick_exit@GLIBC_2.10, remove");
