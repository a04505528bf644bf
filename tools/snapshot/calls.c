/* SPDX-License-Identifier: MIT */
#include "tools/snapshot/calls.h"

#include <linux/futex.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>

static const struct rw_call calls[] = {
    /* number, name, kind, descriptor's argument, time-out's form and argument */
    {SYS_futex, "futex", "futex", -1, RW_TIMEOUT_FUTEX, 3},
    {449 /* futex_waitv */, "futex_waitv", "futex", -1, RW_TIMEOUT_RELATIVE, 3},
    {SYS_read, "read", "read", 0, RW_TIMEOUT_NONE, 0},
    {SYS_pread64, "pread64", "read", 0, RW_TIMEOUT_NONE, 0},
    {SYS_readv, "readv", "read", 0, RW_TIMEOUT_NONE, 0},
    {SYS_preadv, "preadv", "read", 0, RW_TIMEOUT_NONE, 0},
    {SYS_splice, "splice", "read", 0, RW_TIMEOUT_NONE, 0},
    {SYS_getrandom, "getrandom", "read", -1, RW_TIMEOUT_NONE, 0},
    {SYS_write, "write", "write", 0, RW_TIMEOUT_NONE, 0},
    {SYS_pwrite64, "pwrite64", "write", 0, RW_TIMEOUT_NONE, 0},
    {SYS_writev, "writev", "write", 0, RW_TIMEOUT_NONE, 0},
    {SYS_pwritev, "pwritev", "write", 0, RW_TIMEOUT_NONE, 0},
    {SYS_sendfile, "sendfile", "write", 0, RW_TIMEOUT_NONE, 0},
    {SYS_poll, "poll", "poll", -1, RW_TIMEOUT_MS, 2},
    {SYS_ppoll, "ppoll", "poll", -1, RW_TIMEOUT_RELATIVE, 2},
    {SYS_select, "select", "poll", -1, RW_TIMEOUT_RELATIVE, 4},
    {SYS_pselect6, "pselect", "poll", -1, RW_TIMEOUT_RELATIVE, 4},
    {SYS_epoll_wait, "epoll_wait", "poll", 0, RW_TIMEOUT_MS, 3},
    {SYS_epoll_pwait, "epoll_pwait", "poll", 0, RW_TIMEOUT_MS, 3},
    {SYS_epoll_pwait2, "epoll_pwait2", "poll", 0, RW_TIMEOUT_RELATIVE, 3},
    {SYS_io_getevents, "io_getevents", "poll", -1, RW_TIMEOUT_RELATIVE, 4},
    {SYS_io_pgetevents, "io_pgetevents", "poll", -1, RW_TIMEOUT_RELATIVE, 4},
    {SYS_io_uring_enter, "io_uring_enter", "poll", 0, RW_TIMEOUT_NONE, 0},
    {SYS_accept, "accept", "accept", 0, RW_TIMEOUT_NONE, 0},
    {SYS_accept4, "accept4", "accept", 0, RW_TIMEOUT_NONE, 0},
    {SYS_connect, "connect", "connect", 0, RW_TIMEOUT_NONE, 0},
    {SYS_recvfrom, "recv", "recv", 0, RW_TIMEOUT_NONE, 0},
    {SYS_recvmsg, "recvmsg", "recv", 0, RW_TIMEOUT_NONE, 0},
    {SYS_recvmmsg, "recvmmsg", "recv", 0, RW_TIMEOUT_RELATIVE, 4},
    {SYS_mq_timedreceive, "mq_receive", "recv", 0, RW_TIMEOUT_RELATIVE, 4},
    {SYS_msgrcv, "msgrcv", "recv", -1, RW_TIMEOUT_NONE, 0},
    {SYS_sendto, "send", "send", 0, RW_TIMEOUT_NONE, 0},
    {SYS_sendmsg, "sendmsg", "send", 0, RW_TIMEOUT_NONE, 0},
    {SYS_sendmmsg, "sendmmsg", "send", 0, RW_TIMEOUT_NONE, 0},
    {SYS_mq_timedsend, "mq_send", "send", 0, RW_TIMEOUT_RELATIVE, 4},
    {SYS_msgsnd, "msgsnd", "send", -1, RW_TIMEOUT_NONE, 0},
    {SYS_wait4, "wait4", "process", -1, RW_TIMEOUT_NONE, 0},
    {SYS_waitid, "waitid", "process", -1, RW_TIMEOUT_NONE, 0},
    {SYS_vfork, "vfork", "process", -1, RW_TIMEOUT_NONE, 0},
    {SYS_clone, "clone", "process", -1, RW_TIMEOUT_NONE, 0},
    {SYS_clone3, "clone3", "process", -1, RW_TIMEOUT_NONE, 0},
    {SYS_flock, "flock", "file-lock", 0, RW_TIMEOUT_NONE, 0},
    {SYS_fcntl, "fcntl", "file-lock", 0, RW_TIMEOUT_NONE, 0},
    {SYS_nanosleep, "nanosleep", "sleep", -1, RW_TIMEOUT_ALWAYS, 0},
    {SYS_clock_nanosleep, "clock_nanosleep", "sleep", -1, RW_TIMEOUT_SLEEP, 2},
    {SYS_pause, "pause", "signal", -1, RW_TIMEOUT_NONE, 0},
    {SYS_rt_sigsuspend, "sigsuspend", "signal", -1, RW_TIMEOUT_NONE, 0},
    {SYS_rt_sigtimedwait, "sigtimedwait", "signal", -1, RW_TIMEOUT_RELATIVE, 2},
    {SYS_semop, "semop", "syscall", -1, RW_TIMEOUT_NONE, 0},
    {SYS_semtimedop, "semtimedop", "syscall", -1, RW_TIMEOUT_RELATIVE, 3},
    {SYS_ioctl, "ioctl", "syscall", 0, RW_TIMEOUT_NONE, 0},
    {SYS_open, "open", "syscall", -1, RW_TIMEOUT_NONE, 0},
    {SYS_openat, "openat", "syscall", -1, RW_TIMEOUT_NONE, 0},
    {SYS_fsync, "fsync", "syscall", 0, RW_TIMEOUT_NONE, 0},
    {SYS_fdatasync, "fdatasync", "syscall", 0, RW_TIMEOUT_NONE, 0},
    {SYS_close, "close", "syscall", 0, RW_TIMEOUT_NONE, 0},
    {SYS_exit, "exit", "syscall", -1, RW_TIMEOUT_NONE, 0},
    {SYS_exit_group, "exit_group", "syscall", -1, RW_TIMEOUT_NONE, 0},
    {SYS_execve, "execve", "syscall", -1, RW_TIMEOUT_NONE, 0},
};

const struct rw_call *rw_call_of(int number)
{
    for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++)
        if (calls[i].number == number)
            return &calls[i];
    return NULL;
}

bool rw_call_may_be_partial(const struct rw_proc_syscall *call)
{
    static const int numbers[] = {SYS_write,  SYS_writev,   SYS_pwrite64, SYS_pwritev,        SYS_pwritev2,
                                  SYS_sendto, SYS_sendmsg,  SYS_sendmmsg, SYS_sendfile,       SYS_splice,
                                  SYS_tee,    SYS_vmsplice, SYS_recvmmsg, SYS_copy_file_range};

    /* These take what there is, unless they are asked to wait for all of it. */
    if ((call->number == SYS_recvfrom && (call->argument[3] & MSG_WAITALL)) ||
        (call->number == SYS_recvmsg && (call->argument[2] & MSG_WAITALL)))
        return true;
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
        if (call->number == numbers[i])
            return true;
    return false;
}

bool rw_call_would_be_over(const struct rw_proc_syscall *call, struct rw_memory *memory, uint32_t *slept_for,
                           uint32_t *is_now)
{
    struct rw_proc_syscall resolved = *call;

    rw_call_resolve(&resolved, memory);
    int command = (int)resolved.argument[1] & FUTEX_CMD_MASK;
    if (resolved.number != SYS_futex ||
        (command != FUTEX_WAIT && command != FUTEX_WAIT_BITSET && command != FUTEX_WAIT_REQUEUE_PI))
        return false;
    *slept_for = (uint32_t)resolved.argument[2];
    return rw_memory_read(memory, resolved.argument[0], is_now, sizeof(*is_now)) == 0 &&
           *is_now != *slept_for;
}

void rw_call_resolve(struct rw_proc_syscall *call, struct rw_memory *memory)
{
    enum { BEFORE = 48 };
    static const uint8_t syscall_instruction[] = {0x0f, 0x05};
    static const int restartable[] = {SYS_futex, SYS_nanosleep, SYS_clock_nanosleep, SYS_poll};
    uint8_t code[BEFORE + 2];

    if (call->number != SYS_restart_syscall ||
        rw_memory_read(memory, call->pc - sizeof(code), code, sizeof(code)) < 0 ||
        memcmp(code + BEFORE, syscall_instruction, 2) != 0)
        return;
    for (size_t at = BEFORE - 5; at > 0; at--) {
        int32_t number;
        if (code[at] != 0xb8) /* mov $number,%eax */
            continue;
        memcpy(&number, code + at + 1, sizeof(number));
        for (size_t i = 0; i < sizeof(restartable) / sizeof(restartable[0]); i++)
            if (number == restartable[i]) {
                call->number = number;
                return;
            }
    }
}

/* Seconds from now until a moment of a clock that the process gave. */
static double seconds_until(struct rw_memory *memory, uint64_t address, clockid_t clock)
{
    struct timespec moment, now;

    if (rw_memory_read(memory, address, &moment, sizeof(moment)) < 0 || clock_gettime(clock, &now) < 0)
        return 0;
    double seconds = (double)(moment.tv_sec - now.tv_sec) + (double)(moment.tv_nsec - now.tv_nsec) / 1e9;
    return seconds > 0 ? seconds : 0;
}

bool rw_call_deadline(const struct rw_call *what, const struct rw_proc_syscall *call,
                      struct rw_memory *memory, double *in_s)
{
    uint64_t timeout = call->argument[what->timeout_argument];

    *in_s = 0;
    switch (what->timeout) {
    case RW_TIMEOUT_NONE:
        return false;
    case RW_TIMEOUT_ALWAYS:
        return true;
    case RW_TIMEOUT_MS:
        return (int32_t)timeout >= 0;
    case RW_TIMEOUT_RELATIVE:
        return timeout != 0;
    case RW_TIMEOUT_FUTEX: {
        int operation = (int)call->argument[1], command = operation & FUTEX_CMD_MASK;
        if (timeout == 0)
            return false;
        if (command == FUTEX_LOCK_PI)
            *in_s = seconds_until(memory, timeout, CLOCK_REALTIME);
        else if (command != FUTEX_WAIT) /* FUTEX_WAIT alone takes a duration */
            *in_s = seconds_until(memory, timeout,
                                  operation & FUTEX_CLOCK_REALTIME ? CLOCK_REALTIME : CLOCK_MONOTONIC);
        return true;
    }
    case RW_TIMEOUT_SLEEP:
        if (call->argument[1] & TIMER_ABSTIME)
            *in_s = seconds_until(memory, timeout, (clockid_t)call->argument[0]);
        return true;
    }
    return false;
}
