/* SPDX-License-Identifier: MIT */
/*
 * Python's interpreter locks. Nine of ten points of a Python program are about its GIL: two mutexes and two
 * conditions that lie side by side. They are one resource: who runs is decided when somebody waits for it,
 * and not at each step of handing it over.
 *
 * Who holds a GIL looks, at each check of the evaluation loop (at calls and jumps, in trace functions as
 * well), whether somebody has asked for it, and gives it up then. So a thread that comes to wait for it is a
 * point: the seed may say at which of the holder's checks to come it gets it. A check is seen only where
 * somebody has asked before. So the one that waits asks at once, as if its 5 ms were over. The holder comes
 * to the check, gives the GIL up, and is to wait on switch_cond until somebody else has it. Until the check
 * that the seed said it does not wait: it takes the GIL again, and before it goes on, the other asks once
 * more. All that is CPython's own code, take_gil and drop_gil in Python/ceval_gil.c; here it is only told
 * that waits are over.
 *
 * Asking is no step of the program: it moves no clock, counts as no point and decides nothing, so a replay,
 * which knows at which check a thread got the GIL, leaves out what came to nothing.
 */
#include "shim/python_hooks.h"
#include "shim/recording_file.h"
#include "shim/self.h"
#include "shim/serial_log.h"
#include "shim/serial_sync.h"
#include "shim/serial_token.h"

enum { LOCKS = 64 };
#define INTERVAL_MAX_NS UINT64_C(100000000)

/* The end of struct _gil_runtime_state, pycore_gil.h, 3.8 to 3.14. */
struct gil {
    int32_t locked;
    unsigned long switch_number; /* how often another thread got it than had it before */
    pthread_cond_t cond;
    pthread_mutex_t mutex;
    pthread_cond_t switch_cond;
    pthread_mutex_t switch_mutex;
};

static struct lock {
    const struct gil *gil;
    bool is_as_known;                /* `locked` was what it should be */
    bool is_wanted;                  /* a time ran out, and who waited has asked for the GIL */
    struct rw_serial_thread *asker;  /* is to get it at a check; NULL: nobody */
    struct rw_serial_thread *holder; /* goes on once the asker has asked; NULL: it does not wait for that */
    uint32_t left, checks;           /* to come until then; that the seed said */
    bool is_asking;                  /* the asker, now */
    bool has_asked;                  /* since the GIL was taken */
    uint64_t now, until;             /* what they were before it asked */
} locks[LOCKS];
static uint32_t count;

static struct lock *find(const volatile void *object)
{
    for (uint32_t i = 0; i < count; i++) {
        uintptr_t begin = (uintptr_t)&locks[i].gil->cond;
        if ((uintptr_t)object - begin < sizeof(struct gil) - offsetof(struct gil, cond))
            return &locks[i];
    }
    return NULL;
}

bool rw_serial_is_interpreter_lock(const volatile void *object)
{
    return find(object) != NULL;
}

static bool is_from_python(void)
{
    const struct rw_slot_area *area = rw_self.area;
    return area && area->slot.state == RW_THREAD_WAITING &&
           rw_python_is_caller((const void *)area->slot.wait.return_address);
}

static bool is_held(const struct lock *lock)
{
    return __atomic_load_n(&lock->gil->locked, __ATOMIC_RELAXED) == 1;
}

bool rw_serial_interpreter_lock_awaited(const volatile void *condition, const volatile void *mutex,
                                        uint64_t left_ns)
{
    if (rw_serial_is_interpreter_lock(condition))
        return true;
    bool are_neighbours = (uintptr_t)mutex - (uintptr_t)condition == sizeof(pthread_cond_t);
    if (!are_neighbours || left_ns > INTERVAL_MAX_NS || count == LOCKS || !is_from_python())
        return false;
    struct lock *lock = &locks[count++];
    lock->gil = (const struct gil *)((uintptr_t)condition - offsetof(struct gil, cond));
    lock->is_as_known = is_held(lock);
    return true;
}

/* A thread that asks once finalisation has begun may find that it is to end. */
static bool is_over(void)
{
    return rw_serial.has_strangers || rw_header->finalize_begin_ns != 0;
}

/* What take_gil asks itself when a wait was over in vain. */
static bool has_run_out(const struct rw_serial_thread *self, const struct lock *lock)
{
    return self->is_interpreter_lock && self->object == &lock->gil->cond &&
           self->outcome == RW_SERIAL_TIMED_OUT && self->seen[1] == lock->gil->switch_number;
}

static void forget_asker(struct lock *lock)
{
    lock->asker->candidate.stays_until = 0;
    lock->asker = NULL;
    lock->is_asking = false;
}

bool rw_serial_interpreter_lock_asks(struct rw_serial_thread *self, const volatile void *condition,
                                     uint64_t *until)
{
    struct lock *lock = find(condition);
    if (!lock || !lock->is_as_known)
        return false;
    if (lock->is_asking && lock->asker == self) {
        rw_serial.now = lock->now;
        *until = lock->until;
        return lock->is_asking = false;
    }
    if (lock->asker == self)
        forget_asker(lock);
    lock->is_wanted |= has_run_out(self, lock);
    self->seen[1] = lock->gil->switch_number;
    rw_serial_count(self, RW_SCHEDULE_CHECK);
    uint32_t checks = lock->asker || is_over() ? 0 : rw_serial_log_checks(self);
    if (checks == 0)
        return false;
    lock->asker = self;
    lock->holder = NULL;
    lock->left = lock->checks = checks;
    lock->now = rw_serial.now;
    lock->until = *until;
    lock->is_asking = lock->has_asked = true;
    return true;
}

bool rw_serial_interpreter_lock_has_asked(struct rw_serial_thread *self, const volatile void *condition)
{
    struct lock *lock = find(condition);
    struct rw_serial_thread *holder = lock && lock->asker == self ? lock->holder : NULL;
    if (!holder)
        return false;
    lock->holder = NULL;
    self->state = RW_SERIAL_BLOCKED;
    rw_serial_pass_to(self, holder);
    return true;
}

/* With the line that the thread is at, which need not be one of the program's own. */
static void log_check(struct rw_serial_thread *self, const struct rw_serial_thread *next, uint32_t checks)
{
    uint32_t source = self->source, line = self->line;
    struct rw_lock_frame frame;
    if (rw_python_frames(false, &frame, 1) == 1) {
        self->source = rw_serial_log_source(frame.file, frame.function);
        self->line = (uint32_t)frame.line;
    }
    rw_serial_log_check(self, next, checks);
    self->source = source;
    self->line = line;
}

bool rw_serial_interpreter_lock_passes(struct rw_serial_thread *self, const volatile void *condition)
{
    struct lock *lock = find(condition);
    if (!lock || condition != &lock->gil->switch_cond || !lock->has_asked || lock->is_wanted)
        return false;
    struct rw_serial_thread *asker = lock->asker;
    if (!asker || --lock->left > 0)
        return true;
    forget_asker(lock);
    log_check(self, asker, lock->checks);
    return false;
}

const struct rw_serial_thread *rw_serial_interpreter_lock_next(const volatile void *condition)
{
    const struct lock *lock = find(condition);
    return lock && lock->left == 1 ? lock->asker : NULL;
}

static void ask(struct rw_serial_thread *self, struct lock *lock)
{
    struct rw_serial_thread *asker = lock->asker;
    bool waits = asker->state == RW_SERIAL_BLOCKED && asker->object == &lock->gil->cond &&
                 asker->seen[1] == lock->gil->switch_number;
    if (!waits || is_over()) {
        forget_asker(lock);
        return;
    }
    lock->holder = self;
    lock->now = rw_serial.now;
    lock->until = asker->deadline;
    lock->is_asking = lock->has_asked = true;
    asker->state = RW_SERIAL_READY;
    asker->outcome = RW_SERIAL_TIMED_OUT;
    rw_serial.asks++;
    rw_serial_pass_to(self, asker);
}

void rw_serial_interpreter_lock_left(const volatile void *mutex)
{
    struct lock *lock = find(mutex);
    if (!lock || mutex != &lock->gil->mutex || !lock->is_as_known || !is_held(lock))
        return;
    struct rw_serial_thread *self = rw_serial_enter();
    if (!self)
        return;
    lock->is_wanted = lock->has_asked = false;
    rw_serial_condition_forget(&lock->gil->cond);
    if (lock->asker == self)
        forget_asker(lock);
    if (lock->asker)
        ask(self, lock);
    rw_serial_leave(self);
}
