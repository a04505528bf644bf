/* SPDX-License-Identifier: MIT */
#include "shim/serial.h"

#include "shim/raw.h"
#include "shim/recorder.h"
#include "shim/serial_log.h"
#include "shim/serial_select.h"
#include "shim/serial_sync.h"
#include "shim/serial_token.h"

struct rw_serial rw_serial;
__thread struct rw_serial_self rw_serial_self __attribute__((tls_model("initial-exec")));

static bool is_due(const struct rw_serial_thread *thread)
{
    return thread->deadline <= rw_serial.now &&
           !(thread->is_interpreter_lock && thread->fired_at == rw_serial.moves);
}

/* A wait for an interpreter's lock that runs out asks its holder to let go. To ask again changes nothing
 * before somebody has moved. */
static bool may_ask(const struct rw_serial_thread *thread)
{
    return thread->state == RW_SERIAL_BLOCKED && thread->is_interpreter_lock &&
           thread->deadline != RW_SERIAL_NEVER && thread->fired_at != rw_serial.moves;
}

bool rw_serial_is_able(const struct rw_serial_thread *thread)
{
    if (thread->state == RW_SERIAL_READY)
        return true;
    return thread->state == RW_SERIAL_BLOCKED &&
           ((thread->is_ready && thread->is_ready(thread)) || is_due(thread));
}

struct rw_serial_thread *rw_serial_earliest(bool only_sleepers)
{
    struct rw_serial_thread *earliest = NULL;
    for (uint32_t i = 0; i < rw_serial.used; i++) {
        struct rw_serial_thread *thread = &rw_serial.threads[i];
        if (thread->state != RW_SERIAL_BLOCKED || thread->deadline == RW_SERIAL_NEVER ||
            (only_sleepers && (thread->is_ready || thread->is_interpreter_lock)) ||
            (thread->is_interpreter_lock && !may_ask(thread)))
            continue;
        if (!earliest || thread->deadline < earliest->deadline)
            earliest = thread;
    }
    return earliest;
}

static uint32_t collect(struct rw_serial_thread *list[])
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < rw_serial.used; i++) {
        if (rw_serial_is_able(&rw_serial.threads[i]))
            list[count++] = &rw_serial.threads[i];
    }
    return count;
}

/* Those who could be let run though nothing that they wait for has happened: a sleep is no synchronisation,
 * it may be over before others have done a thing. */
static uint32_t collect_early(struct rw_serial_thread *list[], uint32_t count)
{
    for (uint32_t i = 0; i < rw_serial.used && count < RW_SERIAL_THREADS; i++) {
        struct rw_serial_thread *thread = &rw_serial.threads[i];
        if (may_ask(thread) && !rw_serial_is_able(thread) && rw_serial_log_draw(rw_serial.policy.lock_share))
            list[count++] = thread;
    }
    struct rw_serial_thread *sleeper = rw_serial_earliest(true);
    if (sleeper && !rw_serial_is_able(sleeper) && count < RW_SERIAL_THREADS &&
        rw_serial_log_draw(rw_serial.policy.sleeper_share))
        list[count++] = sleeper;
    return count;
}

void rw_serial_let_run(struct rw_serial_thread *thread)
{
    if (thread->state != RW_SERIAL_BLOCKED)
        return;
    thread->state = RW_SERIAL_READY;
    thread->candidate.object = (uint64_t)thread->object;
    if (thread->is_ready && thread->is_ready(thread)) {
        thread->outcome = RW_SERIAL_GO;
        return;
    }
    thread->outcome = RW_SERIAL_TIMED_OUT;
    if (thread->is_interpreter_lock)
        thread->fired_at = rw_serial.moves;
    else if (thread->deadline > rw_serial.now && thread->deadline != RW_SERIAL_NEVER)
        rw_serial.now = thread->deadline;
}

bool rw_serial_anybody_able(void)
{
    for (uint32_t i = 0; i < rw_serial.used; i++) {
        if (&rw_serial.threads[i] != rw_serial.holder && rw_serial_is_able(&rw_serial.threads[i]))
            return true;
    }
    return false;
}

void rw_serial_count(struct rw_serial_thread *self, enum rw_schedule_point kind)
{
    if (rw_serial.used > 1)
        self->points[kind]++;
}

struct rw_serial_thread *rw_serial_pick(struct rw_serial_thread *self)
{
    static struct rw_serial_thread *list[RW_SERIAL_THREADS];
    uint32_t able = collect(list), count = able;
    if (able == 0)
        return NULL;
    rw_serial_idle_over();
    if (rw_serial.alive > 1)
        count = collect_early(list, able);
    rw_serial_count(self, self->kind);
    uint32_t chosen = rw_serial_log_choose(self, list, able, count);
    rw_serial_let_run(list[chosen]);
    return list[chosen];
}

static void point(struct rw_serial_thread *self, enum rw_schedule_point kind, const volatile void *object)
{
    rw_serial.steps++;
    rw_serial.moves++;
    rw_serial.now += 1000;
    if (rw_serial.alive < 2) {
        rw_serial_count(self, kind);
        return;
    }
    self->candidate.object = (uint64_t)object;
    self->kind = kind;
    rw_serial_pass_on(self);
    self->kind = RW_SCHEDULE_WAIT;
}

void rw_serial_point(struct rw_serial_thread *self, const volatile void *object)
{
    point(self, RW_SCHEDULE_CALL, object);
}

void rw_serial_point_after(struct rw_serial_thread *self)
{
    point(self, RW_SCHEDULE_AFTER, NULL);
}

void rw_serial_wait_begin(struct rw_serial_thread *self, bool (*is_ready)(const struct rw_serial_thread *),
                          const volatile void *object, uint64_t deadline)
{
    self->is_ready = is_ready;
    self->object = object;
    self->object2 = NULL;
    self->word = object;
    self->deadline = deadline;
    self->is_signalled = self->is_interruptible = self->is_fd = self->is_interpreter_lock = false;
    self->outcome = RW_SERIAL_GO;
}

enum rw_serial_outcome rw_serial_wait(struct rw_serial_thread *self)
{
    rw_serial.steps++;
    if (!self->is_interpreter_lock)
        rw_serial.moves++;
    rw_serial.now += 1000;
    self->state = RW_SERIAL_BLOCKED;
    rw_serial_pass_on(self);
    return self->outcome;
}

static void mix(uint64_t *hash, uint64_t value)
{
    *hash = (*hash ^ value) * UINT64_C(0x9e3779b97f4a7c15);
    *hash ^= *hash >> 29;
}

struct rw_serial_thread *rw_serial_new_thread(struct rw_serial_thread *creator)
{
    uint32_t index = 0;
    while (index < RW_SERIAL_THREADS && rw_serial.threads[index].state != RW_SERIAL_FREE)
        index++;
    if (index == RW_SERIAL_THREADS) {
        rw_serial.has_strangers = true;
        return NULL;
    }
    struct rw_serial_thread *thread = &rw_serial.threads[index];
    uint64_t path = creator ? creator->path : 0;
    mix(&path, creator ? ++creator->children : 1);
    *thread = (struct rw_serial_thread){.index = index,
                                        .path = path,
                                        .kind = RW_SCHEDULE_WAIT,
                                        .fired_at = RW_SERIAL_NEVER,
                                        .is_coming = true};
    rw_serial_policy_add(&rw_serial.policy, &thread->candidate);
    thread->state = RW_SERIAL_READY;
    rw_serial.alive++;
    if (rw_serial.used <= index)
        rw_serial.used = index + 1;
    rw_serial_log_thread(thread, creator);
    return thread;
}

void rw_serial_free_thread(struct rw_serial_thread *thread)
{
    if (thread->state != RW_SERIAL_ENDED)
        rw_serial.alive--;
    thread->state = RW_SERIAL_FREE;
}

struct rw_serial_thread *rw_serial_find(pthread_t pthread)
{
    for (uint32_t i = 0; i < rw_serial.used; i++) {
        if (rw_serial.threads[i].state != RW_SERIAL_FREE && rw_serial.threads[i].pthread == pthread)
            return &rw_serial.threads[i];
    }
    return NULL;
}

struct rw_real rw_serial_libc;

void rw_serial_begin(uint64_t seed, const char *replay)
{
    int result = rw_serial_log_begin(seed);
    if (result != 0)
        rw_record_problem(-result, "no file for the choices of serial mode", NULL);
    result = replay[0] != '\0' ? rw_serial_log_replay(replay) : 0;
    if (result != 0)
        rw_record_problem(-result, "its choices are not made again", replay);
    rw_serial_libc = rw_real;
    rw_serial_policy_begin(&rw_serial.policy, seed);
    rw_serial.now = rw_recorder_now();
    struct rw_serial_thread *main = rw_serial_new_thread(NULL);
    main->pthread = pthread_self();
    main->tid = (int32_t)rw_raw0(SYS_gettid);
    rw_serial_log_tid(main);
    main->is_coming = false;
    rw_serial.holder = main;
    rw_serial_self.thread = main;
    rw_serial_sync_install();
    rw_serial_condition_install();
    rw_serial_life_install();
    rw_serial_time_install();
    rw_serial_select_install();
}
