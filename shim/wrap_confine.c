/* SPDX-License-Identifier: MIT */
/* seccomp, which libc has no function for: libseccomp and others make the call by syscall(), unless the
 * kernel is too old for it; then, as some programs always do, by prctl (wrap_name.c). */
#include <linux/seccomp.h>
#include <stdarg.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "shim/confine.h"
#include "shim/crash.h"
#include "shim/real.h"

/* Of syscall_entry.S. NULL until the first call has found it. */
long (*rw_syscall_real)(long, ...);

void *rw_syscall_find(void);
long rw_syscall_confining(long number, ...);

struct rw_confining rw_confine_begins(void)
{
    rw_self.is_not_asked = false; /* not confined yet: may be asked */
    struct rw_confining before = {.is_elsewhere = rw_is_vfork_child()};
    before.had_crashes = rw_crash_let_go(before.is_elsewhere);
    return before;
}

void rw_confine_ends(struct rw_confining before, bool is_done)
{
    if (!is_done && before.had_crashes)
        rw_crash_prepare();
    if (is_done && before.is_elsewhere)
        rw_self.is_not_asked = true;
    else if (is_done)
        rw_is_confined = true;
}

void *rw_syscall_find(void)
{
    rw_syscall_real = RW_REAL_OF(syscall);
    return (void *)rw_syscall_real;
}

static bool is_confining(long number, unsigned long what)
{
    if (number == SYS_prctl)
        return what == PR_SET_SECCOMP;
    return what == SECCOMP_SET_MODE_STRICT || what == SECCOMP_SET_MODE_FILTER;
}

/* Called by syscall_entry.S. All arguments are passed on, whatever the call uses: the real one does the same.
 */
long rw_syscall_confining(long number, ...)
{
    va_list list;
    long given[6];
    va_start(list, number);
    for (int i = 0; i < 6; i++)
        given[i] = va_arg(list, long);
    va_end(list);
    const bool confines = is_confining(number, (unsigned long)given[0]);
    const struct rw_confining before = confines ? rw_confine_begins() : (struct rw_confining){0};
    long result = RW_REAL_OF(syscall)(number, given[0], given[1], given[2], given[3], given[4], given[5]);
    if (confines)
        rw_confine_ends(before, result != -1);
    return result;
}
