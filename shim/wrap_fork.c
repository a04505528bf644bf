/* SPDX-License-Identifier: MIT */
/*
 * fork and _Fork. In the parent the call is a wait, for atfork handlers run in it and may block. The child
 * begins its recording at once: it may never make another wrapped call and still hang. vfork cannot be
 * wrapped in C and needs not be: its child is seen by what it execs.
 */
#include <errno.h>
#include <unistd.h>

#include "shim/perturb_delay.h"
#include "shim/real.h"
#include "shim/recorder.h"
#include "shim/wait.h"

static pid_t fork_by(pid_t (*real)(void), const void *return_address)
{
    struct rw_wait_scope wait;
    rw_delay(RW_DELAY_FORK, return_address);
    rw_wait_begin(&wait, RW_WAIT_FORK, NULL, 0, NULL, 0, return_address);
    uint64_t place = rw_place_next();
    pid_t pid = real();
    if (pid == 0) {
        rw_place_take(place);
        rw_delay_forked();
        struct rw_self *self = rw_enter(); /* finds the page empty */
        if (self)
            rw_leave(self);
        return 0;
    }
    int error = errno;
    rw_wait_end(&wait, pid < 0 ? error : 0);
    rw_record_event(RW_EVENT_FORK, 0, pid < 0 ? (uint64_t) - (int64_t)error : (uint64_t)pid, return_address);
    return pid;
}

RW_EXPORT pid_t fork(void)
{
    return fork_by(RW_REAL_OF(fork), __builtin_return_address(0));
}

RW_EXPORT pid_t _Fork(void)
{
    return fork_by(RW_REAL_OF(_Fork), __builtin_return_address(0));
}
