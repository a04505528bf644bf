/* SPDX-License-Identifier: MIT */
#include "shim/slot.h"

#include <errno.h>
#include <sched.h>

#include "shim/raw.h"
#include "shim/real.h"
#include "shim/recorder.h"
#include "shim/recording_file.h"
#include "shim/text.h"

#define HINTS 4096u

__thread struct rw_self rw_self __attribute__((tls_model("initial-exec")));

static uint64_t taken[RW_SLOT_MAX / 64]; /* a bit for each slot */
static struct rw_launch launches[RW_SLOT_MAX];
static uint16_t hints[HINTS]; /* by hash of a pthread_t: the slot it had last */
static uint32_t turn;         /* which of the first slots comes next */
static uint32_t used;         /* highest slot ever taken, plus one */
static uint32_t is_growing;
_Static_assert(RW_SLOT_FIRST < 64, "the first slots share one word of bits");

static uint16_t *hint_of(uint64_t pthread)
{
    /* A pthread_t is the address of a control block, at one and the same offset in each stack. */
    return &hints[(pthread >> 12 ^ pthread >> 23) % HINTS];
}

/* Of the slots that every recording has, the one is taken whose turn it is, so that who ended lately is still
 * known by name: a lock may have been left locked. Above these it is the lowest one, so that few are in use.
 */
static bool take_first_bit(uint32_t *slot)
{
    const uint64_t all = (UINT64_C(1) << RW_SLOT_FIRST) - 1;
    uint64_t bits = __atomic_load_n(&taken[0], __ATOMIC_RELAXED);
    while ((~bits & all) != 0) {
        uint32_t from = __atomic_load_n(&turn, __ATOMIC_RELAXED);
        uint64_t later = ~bits & all & ~((UINT64_C(1) << from) - 1);
        uint32_t bit = (uint32_t)__builtin_ctzll(later ? later : ~bits & all);
        if (!__atomic_compare_exchange_n(&taken[0], &bits, bits | UINT64_C(1) << bit, false, __ATOMIC_ACQUIRE,
                                         __ATOMIC_RELAXED))
            continue;
        __atomic_store_n(&turn, (bit + 1) % RW_SLOT_FIRST, __ATOMIC_RELAXED);
        *slot = bit;
        return true;
    }
    return false;
}

static bool take_bit(uint32_t limit, uint32_t *slot)
{
    if (limit >= RW_SLOT_FIRST && take_first_bit(slot))
        return true;
    for (uint32_t word = 0; word < (limit + 63) / 64; word++) {
        uint64_t bits = __atomic_load_n(&taken[word], __ATOMIC_RELAXED);
        while (~bits != 0) {
            uint32_t bit = (uint32_t)__builtin_ctzll(~bits);
            if (word * 64 + bit >= limit)
                return false;
            if (__atomic_compare_exchange_n(&taken[word], &bits, bits | UINT64_C(1) << bit, false,
                                            __ATOMIC_ACQUIRE, __ATOMIC_RELAXED)) {
                *slot = word * 64 + bit;
                return true;
            }
        }
    }
    return false;
}

static void free_bit(uint32_t slot)
{
    __atomic_fetch_and(&taken[slot / 64], ~(UINT64_C(1) << slot % 64), __ATOMIC_RELEASE);
}

/* A thread that was not made through pthread_create ends without a word. Its slot is found here, before the
 * file has to grow. */
static void reclaim_adopted(void)
{
    for (uint32_t i = 1; !rw_is_confined && i < __atomic_load_n(&used, __ATOMIC_RELAXED); i++) {
        int32_t tid = __atomic_load_n(&launches[i].adopted_tid, __ATOMIC_RELAXED);
        if (tid == 0 || rw_raw3(SYS_tgkill, rw_live->pid, tid, 0) != -ESRCH)
            continue;
        /* Decides who of several threads that get here frees it. */
        if (__atomic_exchange_n(&launches[i].adopted_tid, 0, __ATOMIC_ACQ_REL) != tid)
            continue;
        launches[i].area->slot.state = RW_THREAD_FREE;
        rw_slot_step(&launches[i], RW_STEP_ENDED | RW_STEP_REAPED);
    }
}

/* One thread grows the file, the others that find it full meanwhile look again: a few system calls later
 * there is room. They do not wait for ever: the grower may be stopped. */
static bool make_room(uint32_t room)
{
    for (int patience = 0; patience < 1000; patience++) {
        if (rw_recording_room() > room)
            return true;
        if (rw_is_confined)
            return false;
        if (!__atomic_exchange_n(&is_growing, 1, __ATOMIC_ACQUIRE)) {
            bool is_done = rw_recording_room() > room || rw_recording_grow() == 0;
            __atomic_store_n(&is_growing, 0, __ATOMIC_RELEASE);
            return is_done;
        }
        rw_raw0(SYS_sched_yield);
    }
    return false;
}

static void note_used(uint32_t count)
{
    uint32_t seen = __atomic_load_n(&used, __ATOMIC_RELAXED);
    while (seen < count &&
           !__atomic_compare_exchange_n(&used, &seen, count, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED))
        ;
    if (seen < count)
        __atomic_store_n(&rw_header->slot_used, __atomic_load_n(&used, __ATOMIC_RELAXED), __ATOMIC_RELEASE);
}

struct rw_launch *rw_slot_take(void)
{
    uint32_t index;
    for (;;) {
        uint32_t room = rw_recording_room();
        if (take_bit(room, &index))
            break;
        reclaim_adopted();
        if (take_bit(room, &index))
            break;
        if (!make_room(room)) {
            __atomic_fetch_add(&rw_header->slots_refused, 1, __ATOMIC_RELAXED);
            return NULL;
        }
    }
    struct rw_launch *launch = &launches[index];
    launch->slot = index;
    launch->generation++;
    launch->steps = 0;
    launch->adopted_tid = 0;
    launch->misuse = 0;
    launch->joiner_tid = 0;
    launch->area = rw_slot_area(index);
    struct rw_slot *slot = &launch->area->slot;
    if (slot->generation != 0) {
        rw_write_begin(&slot->sequence);
        rw_write_begin(&slot->capture.sequence);
        slot->capture.by = RW_CAPTURE_NONE;
        rw_write_end(&slot->capture.sequence);
        rw_zero(&slot->state, offsetof(struct rw_slot, capture) - offsetof(struct rw_slot, state));
        __atomic_store_n(&slot->lifecycle_written, 0, __ATOMIC_RELAXED);
        __atomic_store_n(&slot->waits_written, 0, __ATOMIC_RELAXED);
        rw_write_end(&slot->sequence);
    }
    slot->generation = launch->generation;
    note_used(index + 1);
    return launch;
}

static void release(struct rw_launch *launch)
{
    __atomic_store_n(&launch->pthread, 0, __ATOMIC_RELAXED);
    free_bit(launch->slot);
}

void rw_slot_give_back(struct rw_launch *launch)
{
    struct rw_slot *slot = &launch->area->slot;
    rw_write_begin(&slot->sequence);
    slot->state = RW_THREAD_FREE;
    rw_write_end(&slot->sequence);
    release(launch);
}

void rw_slot_step(struct rw_launch *launch, uint32_t step)
{
    const uint32_t all = RW_STEP_ENDED | RW_STEP_CREATOR_DONE | RW_STEP_REAPED;
    uint32_t before = __atomic_fetch_or(&launch->steps, step, __ATOMIC_ACQ_REL);
    if (before != all && (before | step) == all)
        release(launch);
}

struct rw_launch *rw_slot_find(uint64_t pthread)
{
    uint32_t hint = __atomic_load_n(hint_of(pthread), __ATOMIC_RELAXED);
    if (__atomic_load_n(&launches[hint].pthread, __ATOMIC_RELAXED) == pthread)
        return &launches[hint];
    uint32_t count = __atomic_load_n(&used, __ATOMIC_RELAXED);
    for (uint32_t i = 0; i < count; i++) {
        if (__atomic_load_n(&launches[i].pthread, __ATOMIC_RELAXED) == pthread)
            return &launches[i];
    }
    return NULL;
}

static bool has_begun_and_not_ended(const struct rw_slot *slot)
{
    return slot->state == RW_THREAD_RUNNING || slot->state == RW_THREAD_WAITING;
}

struct rw_launch *rw_slot_of_tid(int32_t tid)
{
    uint32_t count = __atomic_load_n(&used, __ATOMIC_RELAXED);
    for (uint32_t i = 0; i < count && tid > 0; i++) {
        const struct rw_slot *slot = &rw_slot_area(i)->slot;
        if (slot->tid == tid && has_begun_and_not_ended(slot))
            return &launches[i];
    }
    return NULL;
}

struct rw_launch *rw_slot_waiting(enum rw_wait_kind kind, const volatile void *object)
{
    uint32_t count = __atomic_load_n(&used, __ATOMIC_RELAXED);
    for (uint32_t i = 0; i < count; i++) {
        const struct rw_slot *slot = &rw_slot_area(i)->slot;
        if (slot->state == RW_THREAD_WAITING && slot->wait.kind == kind &&
            slot->wait.object == (uint64_t)object)
            return &launches[i];
    }
    return NULL;
}

void rw_slot_set_pthread(struct rw_launch *launch, uint64_t pthread)
{
    __atomic_store_n(hint_of(pthread), (uint16_t)launch->slot, __ATOMIC_RELAXED);
    __atomic_store_n(&launch->pthread, pthread, __ATOMIC_RELAXED);
    __atomic_store_n(&launch->area->slot.pthread, pthread, __ATOMIC_RELAXED);
}

struct rw_launch *rw_slot_launch(uint32_t slot)
{
    return &launches[slot];
}

static void describe_running(struct rw_self *self, struct rw_launch *launch, uint64_t now, uint32_t flags)
{
    struct rw_slot *slot = &launch->area->slot;
    rw_write_begin(&slot->sequence);
    slot->state = RW_THREAD_RUNNING;
    slot->flags = flags;
    slot->tid = rw_self_tid(self);
    slot->started_ns = slot->since_ns = now;
    slot->stack_top = self->stack_top;
    slot->stack_size = self->stack_top - self->stack_low;
    slot->creator_interpreter_id = UINT64_MAX;
    slot->interpreter_call.interpreter_id = UINT64_MAX;
    rw_write_end(&slot->sequence);
    rw_slot_set_pthread(launch, (uint64_t)pthread_self());
    self->slot = launch->slot;
    self->area = launch->area;
}

bool rw_slot_adopt(struct rw_self *self)
{
    if (self->is_over || self->is_refused)
        return false;
    struct rw_launch *launch = rw_slot_take();
    if (!launch) {
        self->is_refused = true;
        return false;
    }
    describe_running(self, launch, rw_recorder_now(), RW_SLOT_ADOPTED);
    __atomic_store_n(&launch->adopted_tid, self->tid, __ATOMIC_RELEASE);
    rw_slot_step(launch, RW_STEP_CREATOR_DONE);
    return true;
}

uint32_t rw_slot_count(void)
{
    return __atomic_load_n(&used, __ATOMIC_RELAXED);
}

bool rw_slot_is_alive(const struct rw_slot *slot)
{
    return slot->state == RW_THREAD_NEW || has_begun_and_not_ended(slot);
}

void rw_slot_begin_with(struct rw_self *self, uint64_t now)
{
    if (used != 0)
        rw_zero(taken, sizeof taken);
    for (uint32_t i = 0; i < used; i++)
        launches[i].pthread = 0, launches[i].adopted_tid = 0;
    used = 0;
    turn = 0;
    is_growing = 0;
    self->area = NULL;
    self->is_over = self->is_refused = self->is_not_asked = false;
    describe_running(self, rw_slot_take(), now, RW_SLOT_MAIN);
}

/* libc knows it, and writes it into a mutex that is taken. Not into one of every kind: a normal one may be
 * elided. */
static int32_t tid_without_asking(void)
{
    pthread_mutex_t mutex = PTHREAD_ERRORCHECK_MUTEX_INITIALIZER_NP;
    RW_REAL_OF(pthread_mutex_lock)(&mutex);
    int32_t tid = mutex.__data.__owner;
    RW_REAL_OF(pthread_mutex_unlock)(&mutex);
    return tid;
}

int32_t rw_self_ask_tid(struct rw_self *self)
{
    self->thread_ms = rw_recorder_since_ms();
    self->tid = rw_is_confined ? tid_without_asking() : (int32_t)rw_raw0(SYS_gettid);
    return self->tid;
}
