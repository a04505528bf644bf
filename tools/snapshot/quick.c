/* SPDX-License-Identifier: MIT */
#include "tools/snapshot/quick.h"

#include <pthread.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tools/basics/clock.h"

#define WAKER SIGRTMAX /* this program has no other use for it */

/* Little enough that the scheduler lets this thread in before those that have asked for nothing (Linux 6.12
 * and later), and enough for some twenty stops. */
#define SLICE_NS UINT64_C(500000)

/* A processor that did not let this thread in for so long is somebody's with a priority of its own. */
#define LATE_NS UINT64_C(5000000)

/* A processor that sleeps takes some 50 us to be there, in a virtual machine. */
#define WATCH_NS UINT64_C(100000)
#define UNWATCHED 16u

static void wake(int signal)
{
    (void)signal;
}

static bool begin_waking(timer_t *timer)
{
    const struct sigaction action = {.sa_handler = wake}; /* no SA_RESTART */
    struct sigevent event = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = WAKER};
    const struct timespec often = {.tv_nsec = RW_QUICK_WAKES_MS * 1000000};
    sigset_t waker;

    event._sigev_un._tid = (pid_t)syscall(SYS_gettid);
    sigemptyset(&waker);
    sigaddset(&waker, WAKER);
    if (sigaction(WAKER, &action, NULL) != 0 || pthread_sigmask(SIG_UNBLOCK, &waker, NULL) != 0 ||
        timer_create(CLOCK_MONOTONIC, &event, timer) != 0)
        return false;
    if (timer_settime(*timer, 0, &(struct itimerspec){often, often}, NULL) == 0)
        return true;
    timer_delete(*timer);
    return false;
}

/* What sched_setattr takes: glibc has had no name for it before 2.41, and the kernel's header does not go
 * with sched.h. */
struct attributes {
    uint32_t size, policy;
    uint64_t flags;
    int32_t nice;
    uint32_t priority;
    uint64_t runtime, deadline, period;
};

/* True: nobody comes before this thread. Once a thread has stopped, whoever is given the processor before
 * this one prolongs its stop by a whole slice. Above all programs but real-time ones nobody is; the next best
 * is a slice so short that this one comes first most of the time. */
static bool ask_for_precedence(void)
{
    const struct sched_param lowest = {.sched_priority = sched_get_priority_min(SCHED_FIFO)};
    struct attributes short_slice = {.size = sizeof(short_slice), .policy = SCHED_OTHER, .runtime = SLICE_NS};

    if (sched_setscheduler(0, SCHED_FIFO, &lowest) == 0)
        return true;
    id_t self = (id_t)syscall(SYS_gettid);
    setpriority(PRIO_PROCESS, self, -20);
    short_slice.nice = getpriority(PRIO_PROCESS, self);
    syscall(SYS_sched_setattr, 0, &short_slice, 0);
    return false;
}

void rw_quick_begin(struct rw_quick *quick)
{
    prctl(PR_SET_TIMERSLACK, 1UL);
    quick->is_first = ask_for_precedence();
    quick->is_woken = begin_waking(&quick->timer);
    quick->cpu = -1;
    quick->unwatched = 0;
    if (sched_getaffinity(0, sizeof(quick->allowed), &quick->allowed) != 0)
        CPU_ZERO(&quick->allowed);
    quick->usable = quick->allowed;
}

void rw_quick_end(struct rw_quick *quick)
{
    if (quick->is_woken)
        timer_delete(quick->timer);
}

void rw_quick_go_to(struct rw_quick *quick, int cpu)
{
    if (cpu >= 0 && cpu == quick->cpu)
        return;
    if (cpu >= 0 && cpu < CPU_SETSIZE && CPU_ISSET(cpu, &quick->usable)) {
        uint64_t begin = rw_now_ns();
        cpu_set_t only;
        CPU_ZERO(&only);
        CPU_SET(cpu, &only);
        if (sched_setaffinity(0, sizeof(only), &only) == 0) {
            quick->cpu = cpu;
            if (rw_now_ns() - begin < LATE_NS)
                return;
        }
        CPU_CLR(cpu, &quick->usable);
    }
    if (quick->cpu >= 0)
        sched_setaffinity(0, sizeof(quick->allowed), &quick->allowed);
    quick->cpu = -1;
}

uint64_t rw_quick_watch_ns(struct rw_quick *quick)
{
    if (quick->unwatched > 0)
        quick->unwatched--;
    else if (quick->is_first)
        return WATCH_NS;
    return 0;
}

void rw_quick_watched(struct rw_quick *quick, bool in_vain)
{
    quick->unwatched = in_vain ? UNWATCHED : 0;
}
