/* SPDX-License-Identifier: MIT */
/*
 * Where the monitor may not trace this process, the process copies its own registers and stack when the
 * monitor asks it to, by a signal. Only there: a signal makes sleeping calls return EINTR, which changes the
 * program.
 *
 * How it is found out that tracing is refused. An undumpable process may be traced only with CAP_SYS_PTRACE,
 * and the monitor has the capabilities that this process has. A seccomp filter may refuse ptrace, and the
 * monitor, started from here, is under the same filter; but what the filter does with ptrace can only be
 * learned by trying, and it may kill who tries. So a child tries, one with its own memory: before Linux 5.16
 * a core dump of a process that shares our memory would have ended us too. This costs a fork, and happens
 * only under a filter.
 */
#include <errno.h>
#include <linux/capability.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <ucontext.h>

#include "shim/begin.h"
#include "shim/raw.h"
#include "shim/raw_clone.h"
#include "shim/recorder.h"
#include "shim/recording_file.h"
#include "shim/text.h"

#define NO_SUCH_PID 0x7fffffff /* above the kernel's greatest, 2^22 */
#define RED_ZONE 128

static void copy_registers(uint64_t *registers, const greg_t *from)
{
    static const int order[RW_REGISTER_COUNT] = {
        REG_RAX, REG_RDX, REG_RCX, REG_RBX, REG_RSI, REG_RDI, REG_RBP, REG_RSP, REG_R8,
        REG_R9,  REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15, REG_RIP,
    };
    for (unsigned i = 0; i < RW_REGISTER_COUNT; i++)
        registers[i] = (uint64_t)from[order[i]];
}

static void capture(struct rw_self *self, const ucontext_t *context)
{
    struct rw_capture *capture = &self->area->slot.capture;
    rw_write_begin(&capture->sequence);
    capture->by = RW_CAPTURE_HANDLER;
    capture->time_ns = rw_recorder_now();
    capture->request = __atomic_load_n(&rw_header->capture_request, __ATOMIC_ACQUIRE);
    copy_registers(capture->registers, context->uc_mcontext.gregs);
    uintptr_t stack = (uintptr_t)context->uc_mcontext.gregs[REG_RSP] - RED_ZONE;
    capture->stack_address = stack;
    capture->stack_length = 0;
    capture->stack_whole = 0;
    if (stack >= self->stack_low && stack < self->stack_top) {
        size_t whole = self->stack_top - stack;
        size_t length = whole < RW_STACK_MAX ? whole : RW_STACK_MAX;
        rw_copy(self->area->stack, (const void *)stack, length);
        capture->stack_length = (uint32_t)length;
        capture->stack_whole = length == whole;
    }
    rw_write_end(&capture->sequence);
    self->captured_object = 0; /* the wait's copy is gone */
}

/* A thread that is in the recorder has no slot to be trusted at this moment, or is in the middle of its own
 * copy: it does not answer, and the monitor asks again. */
static void answer(int signal, siginfo_t *information, void *context)
{
    (void)signal;
    (void)information;
    rw_capture_context(context);
}

void rw_capture_context(const void *context)
{
    struct rw_self *self = rw_enter();
    if (!self)
        return;
    capture(self, context);
    rw_leave(self);
}

static int free_signal(void)
{
    for (int signal = SIGRTMAX; signal >= SIGRTMIN; signal--) {
        struct sigaction present;
        if (sigaction(signal, NULL, &present) == 0 && !(present.sa_flags & SA_SIGINFO) &&
            present.sa_handler == SIG_DFL)
            return signal;
    }
    return 0;
}

void rw_capture_signal_needed(int error)
{
    if (!rw_is_recording_own() || rw_header->capture_signal != 0)
        return;
    int kept = errno, number = free_signal();
    struct sigaction action = {.sa_sigaction = answer, .sa_flags = SA_RESTART | SA_SIGINFO | SA_ONSTACK};
    sigfillset(&action.sa_mask);
    rw_header->tracing_refused = (uint32_t)error;
    if (number != 0 && sigaction(number, &action, NULL) == 0)
        __atomic_store_n(&rw_header->capture_signal, number, __ATOMIC_RELEASE);
    else
        rw_record_problem(
            EBUSY, "tracing is refused, and no real-time signal is free to ask the program itself", NULL);
    errno = kept;
}

static bool may_trace_anything(void)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[2] = {{0}, {0}};
    return rw_raw3(SYS_capget, (long)&header, (long)data, 0) == 0 && data[0].effective & 1u << CAP_SYS_PTRACE;
}

/* Ends with the errno of a trace of nobody: ESRCH unless a filter answers. A core of this is of no use to
 * anybody; the limit of one byte is what core_pattern's programs go by, too. */
static int try_to_trace(void *unused)
{
    static const struct rlimit no_core = {1, 1};
    (void)unused;
    rw_raw4(SYS_prlimit64, 0, RLIMIT_CORE, (long)&no_core, 0);
    return (int)-rw_raw4(SYS_ptrace, PTRACE_SEIZE, NO_SUCH_PID, 0, 0);
}

static int error_under_filter(void)
{
    char stack[4096] __attribute__((aligned(16)));
    int status = 0;
    const uint64_t all = ~UINT64_C(0);
    uint64_t before = 0;
    rw_raw4(SYS_rt_sigprocmask, SIG_SETMASK, (long)&all, (long)&before, sizeof before);
    long child = rw_raw_clone(0, stack, sizeof stack, try_to_trace, NULL);
    while (child > 0 && rw_raw4(SYS_wait4, child, (long)&status, __WALL, 0) == -EINTR)
        ;
    rw_raw4(SYS_rt_sigprocmask, SIG_SETMASK, (long)&before, 0, sizeof before);
    if (child < 0)
        return 0; /* not known: the monitor will find out */
    if (!WIFEXITED(status))
        return EPERM;
    return WEXITSTATUS(status) == ESRCH ? 0 : WEXITSTATUS(status);
}

void rw_capture_signal_prepare(void)
{
    int error = 0;
    if (rw_raw6(SYS_prctl, PR_GET_DUMPABLE, 0, 0, 0, 0, 0) != 1 && !may_trace_anything())
        error = EPERM;
    if (error == 0 && rw_raw6(SYS_prctl, PR_GET_SECCOMP, 0, 0, 0, 0, 0) == 2)
        error = error_under_filter();
    if (error != 0)
        rw_capture_signal_needed(error);
}
