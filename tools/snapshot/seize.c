/* SPDX-License-Identifier: MIT */
#include "tools/snapshot/seize.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tools/basics/clock.h"
#include "tools/snapshot/quick.h"

#define PAGE UINT64_C(4096)
#define CODE_SEGMENT_32 0x23

/* What the kernel leaves in rax of a call that was interrupted and will go on by itself (linux/errno.h). */
#define ERESTARTSYS 512
#define ERESTARTNOHAND 514
#define ERESTART_RESTARTBLOCK 516

/* All waiting for threads that do not stop, in one pass. */
#define PATIENCE_MS 2000u
#define IMPATIENT_MS RW_QUICK_WAKES_MS

struct job {
    struct rw_copy *copies;
    size_t count;
    unsigned timeout_ms;
    int error;
};

/* Calls that end with EINTR when their thread was stopped, though no signal handler ran, and that can be made
 * again with the same arguments (signal(7), "Interruption of system calls and library functions by stop
 * signals"). Those on sockets do so where SO_RCVTIMEO or SO_SNDTIMEO is set. */
static bool may_be_made_again(uint64_t number)
{
    switch (number) {
    case SYS_epoll_wait:
    case SYS_epoll_pwait:
    case SYS_epoll_pwait2:
    case SYS_semop:
    case SYS_semtimedop:
    case SYS_rt_sigtimedwait:
    case SYS_io_getevents:
    case SYS_io_pgetevents:
    case SYS_read:
    case SYS_recvfrom:
    case SYS_recvmsg:
    case SYS_sendto:
    case SYS_sendmsg:
    case SYS_accept:
    case SYS_accept4:
        return true;
    default:
        return false;
    }
}

/* Waits until the thread has stopped. Returns 0 with *status, event << 8 | signal; or a negative errno.
 * Nothing is consumed (WNOWAIT): the thread may be a child of this program, whose end somebody else waits
 * for. After a short watch the wait sleeps, for the thread may need this processor to stop. */
static int wait_for_stop(int tid, unsigned timeout_ms, struct rw_quick *quick, int *status)
{
    const uint64_t begin = rw_now_ns(), watch_ns = rw_quick_watch_ns(quick);
    uint64_t waited = 0;

    for (;;) {
        siginfo_t info = {0};
        bool is_watching = waited < watch_ns;
        int how = WSTOPPED | WEXITED | WNOWAIT | __WALL | (quick->is_woken && !is_watching ? 0 : WNOHANG);
        if (waitid(P_PID, (id_t)tid, &info, how) < 0 && errno != EINTR)
            return errno == ECHILD ? -ESRCH : -errno;
        if (info.si_pid == tid) {
            if (watch_ns)
                rw_quick_watched(quick, !is_watching);
            if (info.si_code != CLD_TRAPPED && info.si_code != CLD_STOPPED)
                return -ESRCH;
            *status = info.si_status;
            return 0;
        }
        waited = rw_now_ns() - begin;
        if (waited > timeout_ms * UINT64_C(1000000))
            return -ETIMEDOUT;
        /* Not sched_yield: on a machine that is busy it gives the processor away for milliseconds, and the
         * thread stands still meanwhile. */
        if (!quick->is_woken && waited > 20000)
            nanosleep(&(struct timespec){.tv_nsec = waited < 1000000 ? 20000 : 200000}, NULL);
    }
}

static void take_registers(const struct user_regs_struct *from, struct rw_copy *copy)
{
    const uint64_t registers[RW_REGISTER_COUNT] = {
        from->rax, from->rdx, from->rcx, from->rbx, from->rsi, from->rdi, from->rbp, from->rsp, from->r8,
        from->r9,  from->r10, from->r11, from->r12, from->r13, from->r14, from->r15, from->rip,
    };

    memcpy(copy->stack.registers, registers, sizeof(registers));
    copy->stack.valid = RW_REGISTERS_ALL;
    copy->call.number = -2;
    int64_t result = (int64_t)from->rax;
    if ((int64_t)from->orig_rax < 0 ||
        (result != -EINTR && (result > -ERESTARTSYS || result < -ERESTART_RESTARTBLOCK)))
        return;
    copy->call = (struct rw_proc_syscall){
        .number = (int)from->orig_rax,
        .argument = {from->rdi, from->rsi, from->rdx, from->r10, from->r8, from->r9},
        .stack_pointer = from->rsp,
        .pc = from->rip,
    };
}

/* As many bytes from sp up as there are, a page an element: the kernel cuts a transfer between elements. */
static size_t copy_stack(int tid, uint64_t start, uint64_t end, uint8_t *buffer)
{
    struct iovec from[RW_STACK_COPY_MAX / PAGE + 2], to = {buffer, 0};
    size_t pieces = 0;

    for (uint64_t at = start; at < end;) {
        uint64_t next = (at & -PAGE) + PAGE;
        if (next > end)
            next = end;
        from[pieces++] = (struct iovec){(void *)(uintptr_t)at, next - at};
        at = next;
    }
    to.iov_len = (size_t)(end - start);
    ssize_t got = process_vm_readv(tid, &to, 1, from, pieces, 0);
    if (got > 0)
        return (size_t)got;
    if (got < 0 && errno == EFAULT)
        return 0;
    /* A filter may allow ptrace and refuse the other. */
    size_t words = 0;
    uint64_t aligned = (start + 7) & -UINT64_C(8);
    if (aligned != start)
        return 0;
    for (; aligned + 8 <= end; aligned += 8, words++) {
        errno = 0;
        long word = ptrace(PTRACE_PEEKDATA, tid, aligned, NULL);
        if (errno)
            break;
        memcpy(buffer + 8 * words, &word, sizeof(word));
    }
    return 8 * words;
}

/* The thread is stopped: take what is needed. Returns 0 or a negative errno. */
static int copy_stopped(struct rw_copy *copy, int status, uint8_t *buffer, size_t *length)
{
    struct user_regs_struct registers;
    struct iovec area = {&registers, sizeof(registers)};

    if (ptrace(PTRACE_GETREGSET, copy->tid, NT_PRSTATUS, &area) < 0)
        return -errno;
    if (area.iov_len != sizeof(registers) || registers.cs == CODE_SEGMENT_32)
        return -ENOTSUP;
    take_registers(&registers, copy);
    bool is_our_stop = status >> 8 == PTRACE_EVENT_STOP && (status & 0xff) == SIGTRAP;
    if (is_our_stop && copy->call.number >= 0 && (int64_t)registers.rax == -EINTR) {
        /* The call has given up because of us alone. With this value the kernel makes it again when the
         * thread goes on, or, if a signal with a handler is waiting, returns the EINTR that it then rightly
         * gets. */
        if (may_be_made_again(registers.orig_rax) &&
            ptrace(PTRACE_POKEUSER, copy->tid, offsetof(struct user, regs.rax), (long)-ERESTARTNOHAND) == 0)
            copy->was_restarted = true;
    }
    uint64_t start = (registers.rsp - RW_RED_ZONE) & -UINT64_C(8);
    uint64_t end = start + RW_STACK_COPY_MAX;
    if (copy->stack_end > registers.rsp && copy->stack_end < end)
        end = copy->stack_end;
    copy->stack.address = start;
    *length = start < end ? copy_stack(copy->tid, start, end, buffer) : 0;
    return 0;
}

static int refused(int tid, int error)
{
    struct rw_thread_times times;

    /* A thread that is ending is refused as well. */
    if (rw_proc_thread(tid, tid, &times, NULL) < 0 || times.state == 'Z' || times.state == 'X')
        return -ESRCH;
    return error == ESRCH ? -ESRCH : -EPERM;
}

/* Of a thread's /proc/TID/schedstat, open: how long it could have run so far and waited for a processor.
 * False where the kernel does not say. */
static bool read_queued(int schedstat, uint64_t *queued_ns)
{
    char text[96];

    ssize_t length = schedstat < 0 ? -1 : pread(schedstat, text, sizeof(text) - 1, 0);
    if (length <= 0)
        return false;
    text[length] = '\0';
    return sscanf(text, "%*u %" SCNu64, queued_ns) == 1;
}

static int open_schedstat(int tid)
{
    char path[64];

    snprintf(path, sizeof(path), "/proc/%d/schedstat", tid);
    return open(path, O_RDONLY | O_CLOEXEC);
}

/* What it waited for a processor before it could stop is no part of stopped_us: it went on sleeping
 * meanwhile, or stood in the queue with everybody else. */
static void copy_thread(struct rw_copy *copy, unsigned timeout_ms, struct rw_quick *quick, int schedstat,
                        uint8_t *buffer)
{
    size_t length = 0;
    int status = 0;

    /* No PTRACE_O_EXITKILL: should this program die, the kernel lets go of the thread and it runs on. */
    if (ptrace(PTRACE_SEIZE, copy->tid, NULL, NULL) < 0) {
        copy->error = refused(copy->tid, errno);
        return;
    }
    uint64_t queued_before = 0, queued_after = 0;
    bool is_known = read_queued(schedstat, &queued_before);
    uint64_t begin = rw_now_ns();
    if (ptrace(PTRACE_INTERRUPT, copy->tid, NULL, NULL) < 0) {
        copy->error = -ESRCH;
        return;
    }
    copy->error = wait_for_stop(copy->tid, timeout_ms, quick, &status);
    if (copy->error < 0)
        return;
    uint64_t seen = rw_now_ns();
    is_known = is_known && read_queued(schedstat, &queued_after);
    copy->error = copy_stopped(copy, status, buffer, &length);
    /* A signal on its way to the thread when it stopped is handed on: then this is the stop for that signal.
     */
    long signal = status >> 8 == 0 ? status & 0x7f : 0;
    ptrace(PTRACE_DETACH, copy->tid, NULL, signal);
    uint64_t end = rw_now_ns(), since = is_known ? begin + (queued_after - queued_before) : begin;
    copy->stopped_us = (double)(end - (since < seen ? since : seen)) / 1000.0;
    uint8_t *bytes = copy->error == 0 ? malloc(length + 1) : NULL;
    if (bytes) {
        memcpy(bytes, buffer, length);
        copy->stack.bytes = bytes;
        copy->stack.length = length;
    }
}

static void *run(void *opaque)
{
    struct job *job = opaque;
    uint8_t *buffer = malloc(RW_STACK_COPY_MAX + PAGE);
    uint64_t patience_ns = PATIENCE_MS * UINT64_C(1000000);
    struct rw_quick quick;

    if (!buffer) {
        job->error = -ENOMEM;
        return NULL;
    }
    rw_quick_begin(&quick);
    memset(buffer, 0, RW_STACK_COPY_MAX); /* its pages are there before somebody stands still for them */
    for (size_t i = 0; i < job->count; i++) {
        unsigned timeout_ms = job->timeout_ms;
        if (patience_ns == 0)
            timeout_ms = IMPATIENT_MS;
        rw_quick_go_to(&quick, job->copies[i].cpu);
        uint64_t begin = rw_now_ns();
        int schedstat = open_schedstat(job->copies[i].tid);
        copy_thread(&job->copies[i], timeout_ms, &quick, schedstat, buffer);
        if (schedstat >= 0)
            close(schedstat);
        if (job->copies[i].error == -ETIMEDOUT) {
            uint64_t took = rw_now_ns() - begin;
            patience_ns = took < patience_ns ? patience_ns - took : 0;
        }
    }
    rw_quick_end(&quick);
    free(buffer);
    return NULL;
}

/* A thread of its own does the tracing, and ends: a thread that would not stop in time cannot be let go by
 * PTRACE_DETACH, and would stop for good later on; but the kernel lets go of everything, whatever its state,
 * when its tracer ends. */
int rw_seize_copy(struct rw_copy *copies, size_t count, unsigned timeout_ms)
{
    struct job job = {.copies = copies, .count = count, .timeout_ms = timeout_ms};
    sigset_t all, before;
    pthread_t tracer;

    sigfillset(&all);
    /* Each stop sends a SIGCHLD. Where the tracer blocks it, it goes to another thread of this program, which
     * is woken to ignore it, by the thread that is to stop. Nobody here waits for that signal meanwhile. */
    sigdelset(&all, SIGCHLD);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int error = pthread_create(&tracer, NULL, run, &job);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (error)
        return -error;
    pthread_join(tracer, NULL);
    return job.error;
}

void rw_copies_free(struct rw_copy *copies, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        free((void *)(uintptr_t)copies[i].stack.bytes);
        copies[i].stack.bytes = NULL;
        copies[i].stack.length = 0;
    }
}
