/* SPDX-License-Identifier: MIT */
/* Names of threads, and prctl, which gives them too. */
#include <stdarg.h>
#include <errno.h>
#include <sys/prctl.h>

#include "shim/begin.h"
#include "shim/confine.h"
#include "shim/real.h"
#include "shim/recorder.h"
#include "shim/recording_file.h"
#include "shim/slot.h"
#include "shim/text.h"

/* Stored without the slot's sequence counter: another thread may be the slot's writer. A name that is half
 * old and half new for an instant harms nobody. */
static void rename_slot(struct rw_slot *slot, const char *name)
{
    char cut[RW_THREAD_NAME_MAX];
    rw_text_copy(cut, sizeof cut, name);
    rw_copy(slot->name, cut, sizeof cut);
}

RW_EXPORT int pthread_setname_np(pthread_t thread, const char *name)
{
    int result = RW_REAL_OF(pthread_setname_np)(thread, name);
    struct rw_self *self = result == 0 ? rw_enter() : NULL;
    if (!self)
        return result;
    struct rw_launch *launch = rw_slot_find((uint64_t)thread);
    if (launch)
        rename_slot(&launch->area->slot, name);
    rw_event_append(self, rw_recorder_now(), RW_EVENT_THREAD_RENAME, (uint64_t)thread, 0,
                    (uint64_t)__builtin_return_address(0));
    rw_leave(self);
    return result;
}

static void renamed(const char *name, const void *return_address)
{
    struct rw_self *self = rw_enter();
    if (!self)
        return;
    rename_slot(&self->area->slot, name);
    rw_event_append(self, rw_recorder_now(), RW_EVENT_THREAD_RENAME, (uint64_t)pthread_self(), 0,
                    (uint64_t)return_address);
    rw_leave(self);
}

/* All four arguments are passed on, whatever the option uses: they are in registers, and the real one does
 * the same. */
RW_EXPORT int prctl(int option, ...)
{
    va_list list;
    va_start(list, option);
    unsigned long a = va_arg(list, unsigned long), b = va_arg(list, unsigned long),
                  c = va_arg(list, unsigned long), d = va_arg(list, unsigned long);
    va_end(list);
    const bool confines = option == PR_SET_SECCOMP;
    const struct rw_confining before = confines ? rw_confine_begins() : (struct rw_confining){0};
    int result = RW_REAL_OF(prctl)(option, a, b, c, d);
    if (confines)
        rw_confine_ends(before, result == 0);
    if (confines || result != 0 || rw_is_vfork_child())
        return result;
    if (option == PR_SET_NAME)
        renamed((const char *)a, __builtin_return_address(0));
    else if (option == PR_SET_DUMPABLE && a == 0)
        rw_capture_signal_needed(EPERM);
    return result;
}
