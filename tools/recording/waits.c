/* SPDX-License-Identifier: MIT */
/* What a thread waits for, as its recording tells. */
#include "tools/recording/model_internal.h"

#include <inttypes.h>
#include <talloc.h>
#include <time.h>

/* The wrapped calls behind a kind: without a deadline, and with one of CLOCK_REALTIME or CLOCK_MONOTONIC. */
static const struct {
    const char *plain, *realtime, *monotonic;
} calls[] = {
    [RW_WAIT_MUTEX] = {"pthread_mutex_lock", "pthread_mutex_timedlock", "pthread_mutex_clocklock"},
    [RW_WAIT_RWLOCK_READ] = {"pthread_rwlock_rdlock", "pthread_rwlock_timedrdlock",
                             "pthread_rwlock_clockrdlock"},
    [RW_WAIT_RWLOCK_WRITE] = {"pthread_rwlock_wrlock", "pthread_rwlock_timedwrlock",
                              "pthread_rwlock_clockwrlock"},
    [RW_WAIT_COND] = {"pthread_cond_wait", "pthread_cond_timedwait", "pthread_cond_timedwait"},
    [RW_WAIT_SEMAPHORE] = {"sem_wait", "sem_timedwait", "sem_clockwait"},
    [RW_WAIT_BARRIER] = {"pthread_barrier_wait", NULL, NULL},
    [RW_WAIT_JOIN] = {"pthread_join", "pthread_timedjoin_np", "pthread_clockjoin_np"},
    [RW_WAIT_FORK] = {"fork", NULL, NULL},
};

static const char *call_of(const struct rw_wait *wait)
{
    if (wait->kind >= sizeof(calls) / sizeof(calls[0]))
        return NULL;
    if (!(wait->flags & RW_WAIT_HAS_DEADLINE))
        return calls[wait->kind].plain;
    return wait->clock == CLOCK_REALTIME ? calls[wait->kind].realtime : calls[wait->kind].monotonic;
}

/* Seconds from the incident's now to the deadline, by the two clocks that the header read at one moment. A
 * realtime clock that was set since then makes it wrong by as much. */
static double deadline_in_s(const struct rw_fill *fill, const struct rw_wait *wait)
{
    if (fill->incident->now_ns == 0)
        return 0;
    double now = (double)fill->incident->now_ns;
    if (wait->clock == CLOCK_REALTIME)
        now += (double)fill->header->created_realtime_ns - (double)fill->header->created_ns;
    return ((double)wait->deadline_ns - now) / 1e9;
}

static struct rw_owner owner_of_lock(const struct rw_fill *fill, const struct rw_wait *wait, const char *how,
                                     const char *how_unknown)
{
    struct rw_owner owner = {.tid = -1, .pid = fill->process->pid, .how = how_unknown};
    if (wait->object2 > 0 && wait->object2 <= INT32_MAX) {
        owner.tid = (int)wait->object2;
        owner.certainty = RW_INFERRED;
        owner.how = how;
    }
    return owner;
}

/* Inferred at best: whoever took a semaphore last holds it where it is used as a lock, and owes nothing where
 * it counts what others produce. */
static struct rw_owner owner_of_semaphore(struct rw_fill *fill, const struct rw_wait *wait)
{
    struct rw_owner owner = {.tid = -1, .pid = fill->process->pid};
    struct rw_semaphore held;
    if (rw_reader_semaphore_owner(fill->reader, wait->object, &held) == 0) {
        owner.tid = held.tid;
        owner.certainty = RW_INFERRED;
        owner.how = "took the semaphore last, and nobody has posted it since";
    }
    return owner;
}

static struct rw_owner owner_of_join(const struct rw_fill *fill, const struct rw_slot *slot)
{
    struct rw_owner owner = {
        .tid = -1, .pid = fill->process->pid, .how = "no thread with this pthread_t is recorded"};
    const struct rw_slot *joined = rw_fill_slot_of_pthread(fill, slot->wait.object, slot->since_ns);
    if (joined != NULL && joined->tid > 0) {
        owner.tid = joined->tid;
        owner.certainty = RW_EXACT;
        owner.how = "the thread that the join was called for";
    } else if (joined != NULL) {
        owner.how = "the thread joined has not run yet";
    }
    return owner;
}

void rw_fill_wait(struct rw_fill *fill, struct rw_thread *thread, const struct rw_slot *slot)
{
    const struct rw_wait *wait = &slot->wait;
    const char *kind = rw_wait_kind_word(wait->kind);
    if (kind == NULL)
        return;
    struct rw_wait_on *on = rw_thread_wait_on(fill->incident, thread);
    on->kind = kind;
    on->object = wait->object;
    on->name = rw_fill_wait_text(fill, wait->kind, wait->object, slot->since_ns);
    on->call = call_of(wait);
    on->since_ns = slot->since_ns;
    on->has_deadline = (wait->flags & RW_WAIT_HAS_DEADLINE) != 0;
    on->deadline_in_s = on->has_deadline ? deadline_in_s(fill, wait) : 0;
    on->evidence = "recording";
    switch (wait->kind) {
    case RW_WAIT_MUTEX:
        on->owner = owner_of_lock(fill, wait, "the mutex's owner field when the wait began", NULL);
        break;
    case RW_WAIT_RWLOCK_READ:
    case RW_WAIT_RWLOCK_WRITE:
        on->owner =
            owner_of_lock(fill, wait, "the rwlock's writer field when the wait began",
                          "no writer held it when the wait began, and a rwlock does not name its readers");
        break;
    case RW_WAIT_SEMAPHORE:
        on->owner = owner_of_semaphore(fill, wait);
        break;
    case RW_WAIT_JOIN:
        on->owner = owner_of_join(fill, slot);
        break;
    default:
        on->owner = (struct rw_owner){.tid = -1, .pid = fill->process->pid};
        break;
    }
}

char *rw_fill_wait_text(struct rw_fill *fill, uint32_t wait_kind, uint64_t object, uint64_t at_ns)
{
    void *ctx = fill->incident;
    if (wait_kind == RW_WAIT_JOIN) {
        const struct rw_slot *joined = rw_fill_slot_of_pthread(fill, object, at_ns);
        char *who = rw_fill_thread_text(fill, joined, object);
        return rw_need(talloc_asprintf(ctx, "the end of %s", who));
    }
    if (wait_kind == RW_WAIT_FORK)
        return rw_need(talloc_strdup(ctx, "fork() and the handlers that run in it"));
    const char *kind = rw_wait_kind_word(wait_kind);
    const char *manner = wait_kind == RW_WAIT_RWLOCK_READ    ? " for reading"
                         : wait_kind == RW_WAIT_RWLOCK_WRITE ? " for writing"
                                                             : "";
    return rw_need(
        talloc_asprintf(ctx, "%s 0x%" PRIx64 "%s", kind != NULL ? kind : "something", object, manner));
}
