/* SPDX-License-Identifier: MIT */
#include "shim/serial_token.h"

#include <elf.h>
#include <errno.h>
#include <linux/futex.h>

#include "shim/raw.h"
#include "shim/serial_log.h"

/* How long a thread waits for the token before it looks what its holder does. */
#define LOOK_NS UINT64_C(20000000)
#define WAKES_MAX 1000

void rw_serial_lock(void)
{
    while (__atomic_exchange_n(&rw_serial.lock, 1, __ATOMIC_ACQUIRE) != 0)
        rw_raw0(SYS_sched_yield);
}

void rw_serial_unlock(void)
{
    __atomic_store_n(&rw_serial.lock, 0, __ATOMIC_RELEASE);
}

int rw_serial_nap(struct rw_serial_thread *self, uint32_t go, uint64_t ns)
{
    struct timespec length = {.tv_sec = (time_t)(ns / 1000000000u), .tv_nsec = (long)(ns % 1000000000u)};
    if (!__atomic_load_n(&rw_serial.is_stuck, __ATOMIC_RELAXED) || self->state != RW_SERIAL_BLOCKED ||
        !self->word)
        return (int)rw_raw4(SYS_futex, (long)&self->go, FUTEX_WAIT_PRIVATE, go, (long)&length);
    __atomic_store_n(&self->is_on_word, true, __ATOMIC_SEQ_CST);
    int result = 0;
    if (__atomic_load_n(&self->go, __ATOMIC_SEQ_CST) == go)
        result = (int)rw_raw4(SYS_futex, (long)self->word, FUTEX_WAIT_PRIVATE, *self->word, 0);
    __atomic_store_n(&self->is_on_word, false, __ATOMIC_RELAXED);
    return result;
}

void rw_serial_tell(struct rw_serial_thread *thread)
{
    __atomic_store_n(&thread->go, thread->go + 1, __ATOMIC_SEQ_CST);
    rw_raw4(SYS_futex, (long)&thread->go, FUTEX_WAKE_PRIVATE, 1, 0);
    /* It may be about to wait there: until it has been woken. Not for ever: a signal handler may hold it. */
    for (int i = 0; i < WAKES_MAX && __atomic_load_n(&thread->is_on_word, __ATOMIC_SEQ_CST); i++) {
        if (i > 0)
            rw_raw0(SYS_sched_yield);
        rw_raw4(SYS_futex, (long)thread->word, FUTEX_WAKE_PRIVATE, INT32_MAX, 0);
    }
}

/* The token goes to `next`, NULL: to nobody; whoever wakes up takes it then. */
static void hand_to(struct rw_serial_thread *next)
{
    rw_serial.holder = next;
    if (next)
        rw_serial_tell(next);
}

/* Waits, naps and looks, until this thread has the token and may go on. A thread that is blocked may get the
 * token as well: to idle, and to choose. */
static void await(struct rw_serial_thread *self)
{
    self->is_coming = true;
    while (rw_serial.holder != self || self->state != RW_SERIAL_READY) {
        if (!rw_serial.holder)
            rw_serial.holder = self;
        if (rw_serial.holder == self) {
            struct rw_serial_thread *next = rw_serial_pick(self);
            if (next && next != self)
                hand_to(next);
            else if (!next)
                rw_serial_idle(self);
            continue;
        }
        uint32_t go = __atomic_load_n(&self->go, __ATOMIC_RELAXED);
        rw_serial_unlock();
        int result = rw_serial_nap(self, go, LOOK_NS);
        rw_serial_lock();
        if (result == -EINTR && self->state == RW_SERIAL_BLOCKED && self->is_interruptible) {
            self->outcome = RW_SERIAL_INTERRUPTED;
            self->state = RW_SERIAL_READY;
            if (rw_serial.is_idle)
                rw_serial_tell(rw_serial.holder);
        } else if (result == -EINTR && __atomic_load_n(&rw_serial.is_stuck, __ATOMIC_RELAXED)) {
            rw_serial.holder = self; /* a signal handler ran: look again whether somebody can run */
        } else if (result == -ETIMEDOUT) {
            rw_serial_watch_holder(self);
        }
    }
    self->is_coming = false;
}

/* Has the token, which `self` does not hold, when it returns. */
static void ask_for_token(struct rw_serial_thread *self)
{
    if (rw_serial.is_idle)
        rw_serial_tell(rw_serial.holder);
    await(self);
}

void rw_serial_pass_on(struct rw_serial_thread *self)
{
    struct rw_serial_thread *next = rw_serial_pick(self);
    if (next == self)
        return;
    if (next)
        hand_to(next);
    await(self);
}

void rw_serial_pass_to(struct rw_serial_thread *self, struct rw_serial_thread *next)
{
    rw_serial_let_run(next);
    hand_to(next);
    await(self);
}

static struct rw_serial_thread *any_blocked(void)
{
    for (uint32_t i = 0; i < rw_serial.used; i++) {
        if (rw_serial.threads[i].state == RW_SERIAL_BLOCKED)
            return &rw_serial.threads[i];
    }
    return NULL;
}

void rw_serial_give_away(struct rw_serial_thread *self, enum rw_serial_state state)
{
    self->state = state;
    if (state == RW_SERIAL_ENDED)
        rw_serial.alive--;
    struct rw_serial_thread *next = rw_serial_pick(self);
    hand_to(next ? next : any_blocked());
    rw_serial_leave(self);
}

/* Where the program called the library: up the frames, which are kept in frame pointers, as long as they are
 * the library's own. */
static __attribute__((noinline)) const void *caller(void)
{
    extern const Elf64_Ehdr __ehdr_start RW_HIDDEN; /* the linker's */
    static uintptr_t begin, size;
    const uintptr_t base = (uintptr_t)&__ehdr_start;
    const Elf64_Phdr *segment = (const Elf64_Phdr *)(base + __ehdr_start.e_phoff);
    for (unsigned i = 0; size == 0 && i < __ehdr_start.e_phnum; i++) {
        if (segment[i].p_type != PT_LOAD || !(segment[i].p_flags & PF_X))
            continue;
        begin = base + segment[i].p_vaddr;
        size = segment[i].p_memsz;
    }
    void *const *frame = __builtin_frame_address(0);
    while ((uintptr_t)frame[1] - begin < size)
        frame = frame[0];
    return frame[1];
}

struct rw_serial_thread *rw_serial_enter(void)
{
    struct rw_serial_thread *self = rw_serial_self.thread;
    if (!self || rw_serial_self.is_inside)
        return NULL;
    rw_serial_self.is_inside = true;
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    self->return_address = caller();
    rw_serial_lock();
    if (rw_serial.holder != self) {
        self->state = RW_SERIAL_READY;
        ask_for_token(self);
    }
    return self;
}

void rw_serial_leave(struct rw_serial_thread *self)
{
    (void)self;
    rw_serial_unlock();
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    rw_serial_self.is_inside = false;
}

void rw_serial_thread_runs(struct rw_serial_thread *thread)
{
    rw_serial_self.thread = thread;
    rw_serial_self.is_inside = true;
    rw_serial_lock();
    thread->tid = (int32_t)rw_raw0(SYS_gettid);
    rw_serial_log_tid(thread);
    await(thread);
    rw_serial_leave(thread);
}
