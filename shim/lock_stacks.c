/* SPDX-License-Identifier: MIT */
#include "shim/lock_stacks.h"

#include <sys/mman.h>

#include "shim/python_hooks.h"
#include "shim/raw.h"
#include "shim/recorder.h"
#include "shim/recording_file.h"
#include "shim/text.h"
#include "shim/wait.h"

/* Stacks that a thread may copy, and of so many further locks one: a program that takes ever new locks pays
 * for few of them. */
#define COPIES_FREE 256u
#define COPIES_SHARE 64u
#define COPIES_OF_GIL 64u

struct rw_lock_stack *rw_lock_sites;

static uint32_t recorded;                   /* entries so far, free ones included */
static uint32_t users[RW_LOCK_STACK_COUNT]; /* edges; 0: free */
static uint32_t free_count;                 /* of those below `recorded` */

bool rw_lock_stacks_prepare(void)
{
    long memory = rw_raw6(SYS_mmap, 0, RW_SITE_MAX * sizeof(struct rw_lock_stack), PROT_READ | PROT_WRITE,
                          MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (rw_raw_is_error(memory))
        return false;
    rw_lock_sites = (struct rw_lock_stack *)memory;
    return true;
}

void rw_lock_stacks_begin(void)
{
    recorded = free_count = 0;
}

/* Threads share the table. Who finds an entry being written does without it. */
static bool begin(struct rw_lock_stack *site)
{
    uint32_t sequence = __atomic_load_n(&site->sequence, __ATOMIC_RELAXED);
    return !(sequence & 1) && __atomic_compare_exchange_n(&site->sequence, &sequence, sequence | 1, false,
                                                          __ATOMIC_ACQUIRE, __ATOMIC_RELAXED);
}

static struct rw_lock_stack *beside(struct rw_lock_stack *site)
{
    return &rw_lock_sites[(uint32_t)(site - rw_lock_sites) ^ 1];
}

/* NULL: it is not there. */
static struct rw_lock_stack *find(uint64_t key)
{
    struct rw_lock_stack *first = rw_lock_site_at(key), *second = beside(first);
    return __atomic_load_n(&first->key, __ATOMIC_RELAXED) == key    ? first
           : __atomic_load_n(&second->key, __ATOMIC_RELAXED) == key ? second
                                                                    : NULL;
}

/* In the place that has the older one. */
static void copy(struct rw_self *self, const struct rw_locks *locks, uint64_t key)
{
    struct rw_lock_stack *site = rw_lock_site_at(key);
    if (beside(site)->capture.time_ns < site->capture.time_ns)
        site = beside(site);
    if (!begin(site))
        return;
    __atomic_store_n(&site->key, key, __ATOMIC_RELAXED);
    rw_capture_into(self, &site->capture, site->stack, sizeof site->stack, rw_recorder_now());
    site->frame_count = rw_python_frames(locks->has_gil, site->frames, RW_LOCK_FRAME_MAX);
    rw_write_end(&site->sequence);
}

void rw_lock_site_copy(struct rw_self *self, struct rw_locks *locks, uint64_t key, bool is_gil)
{
    if (find(key) || locks->copied > (is_gil ? COPIES_OF_GIL : COPIES_FREE + locks->taken / COPIES_SHARE))
        return;
    locks->copied++;
    copy(self, locks, key);
}

void rw_lock_site_need(struct rw_self *self, const struct rw_locks *locks, uint64_t key)
{
    if (!find(key))
        copy(self, locks, key);
}

bool rw_lock_stacks_are_full(void)
{
    return recorded == RW_LOCK_STACK_COUNT && free_count == 0;
}

void rw_lock_stack_release(uint32_t number)
{
    if (number == 0 || --users[number - 1] != 0)
        return;
    free_count++;
    rw_lock_stacks[number - 1].key = 0;
}

/* The site may become another one's meanwhile. */
static bool copy_whole(struct rw_lock_stack *entry, const struct rw_lock_stack *site)
{
    uint32_t sequence = __atomic_load_n(&site->sequence, __ATOMIC_ACQUIRE);
    if (sequence & 1)
        return false;
    rw_copy((char *)entry + sizeof entry->sequence, (const char *)site + sizeof site->sequence,
            sizeof *entry - sizeof entry->sequence);
    __atomic_thread_fence(__ATOMIC_ACQUIRE);
    return __atomic_load_n(&site->sequence, __ATOMIC_RELAXED) == sequence;
}

static uint32_t find_entry(uint64_t key)
{
    for (uint32_t i = 0; i < recorded; i++) {
        if (users[i] != 0 && rw_lock_stacks[i].key == key)
            return i;
    }
    return RW_LOCK_STACK_COUNT;
}

static uint32_t find_free(void)
{
    for (uint32_t i = 0; free_count != 0 && i < recorded; i++) {
        if (users[i] == 0)
            return i;
    }
    return recorded;
}

uint32_t rw_lock_stack_record(uint64_t key)
{
    uint32_t number = find_entry(key);
    if (number < RW_LOCK_STACK_COUNT)
        return users[number]++, number + 1;
    const struct rw_lock_stack *site = find(key);
    if (!site)
        return 0;
    if (rw_lock_stacks_are_full()) {
        rw_header->lock_stacks_left_out++;
        return 0;
    }
    number = find_free();
    struct rw_lock_stack *entry = &rw_lock_stacks[number];
    rw_write_begin(&entry->sequence); /* a free entry may have been another one's, and be read */
    const bool is_whole = copy_whole(entry, site) && entry->key == key;
    if (!is_whole)
        entry->key = 0;
    rw_write_end(&entry->sequence);
    if (!is_whole)
        return 0;
    users[number] = 1;
    if (number < recorded)
        free_count--;
    else
        __atomic_store_n(&rw_header->lock_stacks_written, ++recorded, __ATOMIC_RELEASE);
    return number + 1;
}
