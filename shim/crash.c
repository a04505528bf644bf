/* SPDX-License-Identifier: MIT */
#include "shim/crash.h"

#include <errno.h>
#include <stddef.h>
#include <time.h>

#include "shim/begin.h"
#include "shim/maps_file.h"
#include "shim/raw.h"
#include "shim/real.h"
#include "shim/recorder.h"
#include "shim/recording_file.h"

#define MS UINT64_C(1000000)
#define SEEN_WITHIN_NS                                                                                       \
    (1500 * MS) /* the monitor looks at the recordings ten times a second, on a loaded machine less */
#define LOOKED_WITHIN_NS (4000 * MS)
#define ROUND_NS (5 * MS)

static const int fatal[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGSYS, SIGTRAP};
#define FATAL (sizeof fatal / sizeof fatal[0])

int32_t rw_crash_tid;

static bool is_on;
static struct sigaction views[FATAL];

/* The kernel's struct, whose restorer a default action needs not. */
struct kernel_action {
    void *handler;
    unsigned long flags;
    void *restorer;
    uint64_t mask;
};

static size_t index_of(int signal)
{
    size_t i = 0;
    while (i < FATAL && fatal[i] != signal)
        i++;
    return i;
}

static uint64_t since(uint64_t time_ns)
{
    return rw_recorder_now() - time_ns;
}

static void pause_for(uint64_t ns)
{
    struct timespec length = {0, (long)ns};
    rw_raw3(SYS_nanosleep, (long)&length, 0, 0);
}

static bool monitor_lives(void)
{
    return rw_session.monitor_pid > 0 && rw_raw3(SYS_kill, rw_session.monitor_pid, 0, 0) != -ESRCH;
}

/* Until the monitor has looked; for a shorter time where it has not begun to. */
static void await_look(uint64_t begin_ns)
{
    for (;;) {
        uint64_t look = __atomic_load_n(&rw_header->crash_look, __ATOMIC_ACQUIRE);
        if (look >= RW_CRASH_LOOKED || since(begin_ns) > LOOKED_WITHIN_NS ||
            (look == RW_CRASH_UNSEEN && since(begin_ns) > SEEN_WITHIN_NS) || !monitor_lives())
            return;
        pause_for(ROUND_NS);
    }
}

static void write_down(int signal, const siginfo_t *info, int32_t tid, const void *context)
{
    bool is_fault = info->si_code > 0 && info->si_code != SI_KERNEL && signal != SIGSYS;
    rw_header->crash_signal = signal;
    rw_header->crash_code = info->si_code;
    rw_header->crash_tid = tid;
    rw_header->crash_sender = info->si_code <= 0 ? info->si_pid : 0;
    rw_header->crash_address = is_fault ? (uint64_t)info->si_addr : 0;
    rw_capture_context(context);
    rw_maps_save();
    __atomic_store_n(&rw_header->crash_ns, rw_recorder_now(), __ATOMIC_RELEASE);
}

/* Not for the monitor's own SIGABRT (on_hang=abort), which follows a report; not in a child of vfork, which
 * would write into its parent's recording; and the first of several threads that crash speaks for all. */
static void ask_for_look(int signal, const siginfo_t *info, const void *context)
{
    if (!rw_is_recording_own() || rw_is_confined || rw_live->pid != (int32_t)rw_raw0(SYS_getpid) ||
        (info->si_code <= 0 && info->si_pid == rw_session.monitor_pid))
        return;
    int32_t nobody = 0, tid = (int32_t)rw_raw0(SYS_gettid);
    if (__atomic_compare_exchange_n(&rw_crash_tid, &nobody, tid, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
        write_down(signal, info, tid, context);
    if (monitor_lives())
        await_look(rw_recorder_now());
}

/* Held back until the handler returns, the signal then finds the interrupted context as it was: the registers
 * in a core are those of the fault, also where running on would not have met it again (a breakpoint, an
 * abort). */
static void die_of(int signal, const siginfo_t *info)
{
    const struct kernel_action by_default = {.handler = SIG_DFL};
    long pid = rw_raw0(SYS_getpid), tid = rw_raw0(SYS_gettid);
    rw_raw4(SYS_rt_sigaction, signal, (long)&by_default, 0, sizeof by_default.mask);
    if (rw_raw4(SYS_rt_tgsigqueueinfo, pid, tid, signal, (long)info) < 0)
        rw_raw3(SYS_tgkill, pid, tid, signal);
}

static void crashed(int signal, siginfo_t *info, void *context)
{
    ask_for_look(signal, info, context);
    die_of(signal, info);
}

bool rw_crash_is_taken(int signal)
{
    return is_on && index_of(signal) < FATAL;
}

bool rw_crash_is_ours(const struct sigaction *action)
{
    return (action->sa_flags & SA_SIGINFO) && action->sa_sigaction == crashed;
}

struct sigaction rw_crash_view(int signal)
{
    return views[index_of(signal)];
}

/* Not on another stack: where there is no room for the handler the kernel ends the process with SIGSEGV,
 * which is what an overflow of the stack comes to anyway. */
void rw_crash_take(int signal)
{
    struct sigaction present = {0}, own = {.sa_sigaction = crashed, .sa_flags = SA_SIGINFO};
    if (rw_is_vfork_child()) /* its actions are its own, the views its parent's */
        return;
    if (RW_REAL_OF(sigaction)(signal, NULL, &present) != 0 || (present.sa_flags & SA_SIGINFO) ||
        present.sa_handler != SIG_DFL)
        return;
    views[index_of(signal)] = present;
    RW_REAL_OF(sigaction)(signal, &own, NULL);
}

void rw_crash_prepare(void)
{
    int kept = errno;
    is_on = true;
    for (size_t i = 0; i < FATAL; i++)
        rw_crash_take(fatal[i]);
    errno = kept;
}

bool rw_crash_let_go(bool is_elsewhere)
{
    int kept = errno;
    bool was_on = is_on;
    for (size_t i = 0; i < FATAL && is_on; i++) {
        struct sigaction present = {0};
        if (RW_REAL_OF(sigaction)(fatal[i], NULL, &present) == 0 && rw_crash_is_ours(&present))
            RW_REAL_OF(sigaction)(fatal[i], &views[i], NULL);
    }
    is_on = was_on && is_elsewhere;
    errno = kept;
    return was_on;
}

void rw_crash_await(void)
{
    if (rw_crash_tid == (int32_t)rw_raw0(SYS_gettid) || !rw_is_recording_own())
        return;
    uint64_t begin_ns = rw_recorder_now();
    while (since(begin_ns) < LOOKED_WITHIN_NS + SEEN_WITHIN_NS)
        pause_for(ROUND_NS);
}
