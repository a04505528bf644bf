/* SPDX-License-Identifier: MIT */
/*
 * Being quick while somebody stands still: what the thread that stops others asks of the kernel for itself.
 * For seize.c. What is refused is done without. For one thread, which begins, goes about and ends.
 */
#ifndef RACEWATCH_TOOLS_SNAPSHOT_QUICK_H
#define RACEWATCH_TOOLS_SNAPSHOT_QUICK_H

#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#define RW_QUICK_WAKES_MS 5u

struct rw_quick {
    /* No call that sleeps lasts longer than RW_QUICK_WAKES_MS: it ends with EINTR then. False: no timer was
     * to be had, and a call may last for ever. */
    bool is_woken;
    bool is_first; /* before all programs but real-time ones */
    timer_t timer;
    cpu_set_t allowed, usable; /* processors; of the usable ones none keeps this thread waiting for long */
    int cpu;                   /* the only one on which it runs now; -1: any that is allowed */
    unsigned unwatched;        /* threads still to be waited for without watching */
};

void rw_quick_begin(struct rw_quick *quick);
void rw_quick_end(struct rw_quick *quick);

/* To the processor on which the thread ran last (-1: not known) that is stopped next. It is woken there for
 * that, and stops as soon as this one sleeps: no other processor has to be called, out of its own sleep
 * perhaps, or is found busy. */
void rw_quick_go_to(struct rw_quick *quick, int cpu);

/* For how long to look again and again whether a thread has stopped, before sleeping until it has. Where a
 * processor has nothing to do, the kernel wakes a thread there, and this one's goes to sleep as well, to be
 * called out of that while the thread stands still. Where none is free, the thread comes to this one's,
 * and cannot stop before this one sleeps. So after a watch in vain there is none for a while, and none at all
 * where it would use up the little time that this one comes before others. */
uint64_t rw_quick_watch_ns(struct rw_quick *quick);
void rw_quick_watched(struct rw_quick *quick, bool in_vain);

#endif
