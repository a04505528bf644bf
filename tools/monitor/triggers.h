/* SPDX-License-Identifier: MIT */
/*
 * The rules that ask for a look. They decide from what progress.c saw, cheaply and often; what they ask for
 * is only a look: whether something is stuck is the diagnosis's to say, and idle is not stuck.
 *
 * Every rule backs off by itself when a look finds nothing, so that a slow suite is not looked at all the
 * time.
 */
#ifndef RACEWATCH_TOOLS_MONITOR_TRIGGERS_H
#define RACEWATCH_TOOLS_MONITOR_TRIGGERS_H

#include <stdbool.h>
#include <stdint.h>

#include "tools/monitor/watch.h"
#include "tools/options/options.h"

enum rw_trigger {
    RW_TRIGGER_NONE = 0,
    RW_TRIGGER_CYCLE,  /* the recordings' own edges close a circle */
    RW_TRIGGER_STUCK,  /* serial mode has no thread left to run */
    RW_TRIGGER_EARLY,  /* a thread newly blocked: its lock's owner may take frames to find */
    RW_TRIGGER_TEST,   /* a test longer than test_timeout */
    RW_TRIGGER_RUNNER, /* a test about to meet the runner's own time-out */
    RW_TRIGGER_EXIT,   /* work finished, and still there */
    RW_TRIGGER_STILL,  /* no progress */
    RW_TRIGGER_DEADLINE,
    RW_TRIGGER_SIGNAL,
    RW_TRIGGER_GONE,   /* killed while it was blocked */
    RW_TRIGGER_CRASH,  /* a fatal signal */
    RW_TRIGGER_ORDER,  /* orders of locks were seen */
    RW_TRIGGER_MISUSE, /* a race was seen, from the transitions alone */
};

/* The word in incident.json. */
const char *rw_trigger_word(enum rw_trigger trigger);

struct rw_want {
    enum rw_trigger trigger;
    int pid;              /* the process that is to come first; 0: any */
    uint64_t test_number; /* of that process, for rules about a test */
    bool is_explicit;     /* the user asked for this limit: tell also what is only slow */
    int signal;           /* of a crash */
    bool is_aside;        /* an early look while the thread that does the work is not blocked */
    char detail[200];
};

#define RW_CRASHES_KEPT 64

struct rw_triggers {
    /* The last crashes, a ring: who passes on what its child died of. */
    struct {
        int parent, signal;
    } crashes[RW_CRASHES_KEPT];
    unsigned crash_count;
    const struct rw_options *options;
    uint64_t start_ns;
    uint64_t deadline_ns; /* 0: none; UINT64_MAX: told */
    uint64_t still_next_ns;
    uint64_t still_told_ns;   /* nothing has moved since a report of this moment */
    uint64_t early_credit_ns; /* CPU time that early looks may still cost */
    uint64_t credit_from_ns;
    uint64_t blocked_signature; /* of the waits that were last searched for a circle */
    uint64_t circle_next_ns;    /* search the same waits again then: a word may have been stale */
    uint64_t circle_gap_ns;
};

void rw_triggers_init(struct rw_triggers *triggers, const struct rw_options *options, uint64_t now_ns);

/* The most urgent look that is due now. False: none. */
bool rw_triggers_next(struct rw_triggers *triggers, struct rw_watch *watch, uint64_t now_ns,
                      struct rw_want *want);

/* What came of a look, and what it cost. */
void rw_triggers_done(struct rw_triggers *triggers, struct rw_watch *watch, const struct rw_want *want,
                      bool was_told, uint64_t cost_ns, uint64_t now_ns);

/* Whether the process of this image was killed while it was stuck: nothing that exits or execs is. Fills
 * *want. */
bool rw_triggers_gone(const struct rw_watched *watched, bool is_root, uint64_t now_ns, struct rw_want *want);

/* misuse.c: whether the recording tells of misuses that no look has told of. They count as told from then on.
 * `watched` has a reader; one that is over is asked once more: then is known what became of late threads. */
bool rw_triggers_misused(struct rw_watched *watched, uint64_t now_ns, struct rw_want *want);

/* lock_order.c: whether the process, which is over, saw orders of locks that might contradict each other. */
bool rw_triggers_ordered(struct rw_watched *watched, struct rw_want *want);

/* crash.c: whether a process is about to die of a signal that no look has told of, and its thread waits for
 * one; or, where it is over, has died of one. It counts as told from then on. */
bool rw_triggers_crashing(struct rw_triggers *triggers, struct rw_watch *watch, uint64_t now_ns,
                          struct rw_want *want);
bool rw_triggers_crashed(struct rw_triggers *triggers, struct rw_watched *watched, uint64_t now_ns,
                         struct rw_want *want);
/* The look is over: the process need not wait any longer. */
void rw_crash_looked(struct rw_watch *watch, const struct rw_want *want);

/* edges.c: a circle of threads that wait without a deadline for more than `age_ns`, of which at least one was
 * not part of a circle that was looked at before; all of them are marked. The pid of one of them, or 0. */
int rw_find_circle(struct rw_watch *watch, uint64_t now_ns, uint64_t age_ns);
void rw_forget_circles(struct rw_watch *watch); /* all count as not looked at */

#endif
