/* SPDX-License-Identifier: MIT */
/*
 * sigaction, signal and what else sets a handler: where the kernel has our handler for a fatal signal
 * (crash.c), the program sees the default that it left or set, and whatever else it sets takes the place of
 * ours.
 */
#include <signal.h>

#include "shim/crash.h"
#include "shim/real.h"

typedef void (*handler_fn)(int);

static int set_action(int (*real)(int, const struct sigaction *, struct sigaction *), int number,
                      const struct sigaction *action, struct sigaction *old)
{
    if (!rw_crash_is_taken(number))
        return real(number, action, old);
    const bool is_default = action && action->sa_handler == SIG_DFL;
    int result = real(number, action, old);
    if (result != 0)
        return result;
    if (old && rw_crash_is_ours(old))
        *old = rw_crash_view(number);
    if (is_default)
        rw_crash_take(number);
    return result;
}

RW_EXPORT int sigaction(int number, const struct sigaction *action, struct sigaction *old)
{
    return set_action(RW_REAL_OF(sigaction), number, action, old);
}

RW_EXPORT int __sigaction(int number, const struct sigaction *action, struct sigaction *old);
int __sigaction(int number, const struct sigaction *action, struct sigaction *old)
{
    return set_action(RW_REAL_OF(__sigaction), number, action, old);
}

static handler_fn set_handler(handler_fn (*real)(int, handler_fn), int number, handler_fn handler)
{
    struct sigaction present = {0};
    const bool is_taken = rw_crash_is_taken(number);
    const bool was_ours =
        is_taken && RW_REAL_OF(sigaction)(number, NULL, &present) == 0 && rw_crash_is_ours(&present);
    handler_fn old = real(number, handler);
    if (!is_taken || old == SIG_ERR)
        return old;
    if (handler == SIG_DFL)
        rw_crash_take(number);
    return was_ours && old != SIG_HOLD ? SIG_DFL : old;
}

#define SETS_HANDLER(name)                                                                                   \
    RW_EXPORT handler_fn name(int number, handler_fn handler);                                               \
    handler_fn name(int number, handler_fn handler)                                                          \
    {                                                                                                        \
        return set_handler(RW_REAL_OF(name), number, handler);                                               \
    }

SETS_HANDLER(signal)
SETS_HANDLER(bsd_signal)
SETS_HANDLER(ssignal)
SETS_HANDLER(sysv_signal)
SETS_HANDLER(__sysv_signal)
SETS_HANDLER(sigset)
