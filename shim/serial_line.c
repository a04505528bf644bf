/* SPDX-License-Identifier: MIT */
/*
 * Lines of Python code as points. Who is at one holds its interpreter's lock, and those who wait for that, or
 * will once they go on, can only run when it is given up. So it is first decided who runs next, and the lock
 * is given up for that thread, not for whoever comes first; where the thread goes on, which is the rule,
 * nothing is given up.
 */
#include "shim/serial_log.h"
#include "shim/serial_token.h"

static bool awaits_interpreter_lock(const struct rw_serial_thread *thread)
{
    return thread->state == RW_SERIAL_BLOCKED && thread->is_interpreter_lock;
}

/* `self` first, then all others that could run if it let them. */
static uint32_t collect(struct rw_serial_thread *self, struct rw_serial_thread *list[])
{
    const struct rw_serial_thread *sleeper = rw_serial_earliest(true);
    if (sleeper && !rw_serial_log_draw(rw_serial.policy.sleeper_share))
        sleeper = NULL;
    uint32_t count = 0;
    list[count++] = self;
    for (uint32_t i = 0; i < rw_serial.used; i++) {
        struct rw_serial_thread *thread = &rw_serial.threads[i];
        if (thread != self &&
            (thread == sleeper || awaits_interpreter_lock(thread) || rw_serial_is_able(thread)))
            list[count++] = thread;
    }
    return count;
}

static struct rw_serial_thread *choose(struct rw_serial_thread *self)
{
    static struct rw_serial_thread *list[RW_SERIAL_THREADS];
    rw_serial.steps++;
    rw_serial.moves++;
    rw_serial.now += 1000;
    self->candidate.object = 0;
    bool is_asked = rw_serial_log_draw(rw_serial.policy.line_share);
    uint32_t count = is_asked ? collect(self, list) : 0;
    list[0] = self;
    return list[rw_serial_log_choose_at_line(self, list, count, is_asked)];
}

bool rw_serial_line(uint32_t source, uint32_t line)
{
    struct rw_serial_thread *self = rw_serial_self.thread;
    if (!self || rw_serial_self.is_inside)
        return false;
    self->source = source;
    self->line = line;
    rw_serial_count(self, RW_SCHEDULE_LINE);
    if (__atomic_load_n(&rw_serial.alive, __ATOMIC_RELAXED) < 2 || !rw_serial_enter())
        return false;
    self->kind = RW_SCHEDULE_LINE;
    struct rw_serial_thread *next = choose(self);
    self->kind = RW_SCHEDULE_WAIT;
    self->successor = next != self ? next : NULL;
    rw_serial_leave(self);
    return next != self;
}

/* The one that was chosen may have been let run by another thread meanwhile; or the lock that it waits for is
 * another interpreter's. */
static bool is_still_able(const struct rw_serial_thread *thread)
{
    bool sleeps =
        thread->state == RW_SERIAL_BLOCKED && !thread->is_ready && thread->deadline != RW_SERIAL_NEVER;
    return sleeps || rw_serial_is_able(thread);
}

void rw_serial_line_left(void)
{
    struct rw_serial_thread *self = rw_serial_enter();
    if (!self)
        return;
    struct rw_serial_thread *next = self->successor;
    self->successor = NULL;
    if (next && is_still_able(next))
        rw_serial_pass_to(self, next);
    rw_serial_leave(self);
}
