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

static uint32_t recorded;

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
    recorded = 0;
}

/* Threads share the table. Who finds an entry being written does without it. */
static bool begin(struct rw_lock_stack *site)
{
    uint32_t sequence = __atomic_load_n(&site->sequence, __ATOMIC_RELAXED);
    return !(sequence & 1) && __atomic_compare_exchange_n(&site->sequence, &sequence, sequence | 1, false,
                                                          __ATOMIC_ACQUIRE, __ATOMIC_RELAXED);
}

static struct rw_lock_stack *site_of(uint64_t key)
{
    return &rw_lock_sites[key >> 32 & (RW_SITE_MAX - 1)];
}

static void copy(struct rw_self *self, const struct rw_locks *locks, uint64_t key)
{
    struct rw_lock_stack *site = site_of(key);
    if (!begin(site))
        return;
    __atomic_store_n(&site->key, key, __ATOMIC_RELAXED);
    rw_capture_into(self, &site->capture, site->stack, sizeof site->stack, rw_recorder_now());
    site->frame_count = rw_python_frames(locks->has_gil, site->frames, RW_LOCK_FRAME_MAX);
    rw_write_end(&site->sequence);
}

void rw_lock_site_copy(struct rw_self *self, struct rw_locks *locks, uint64_t key, bool is_gil)
{
    if (locks->copied > (is_gil ? COPIES_OF_GIL : COPIES_FREE + locks->taken / COPIES_SHARE))
        return;
    locks->copied++;
    copy(self, locks, key);
}

void rw_lock_site_need(struct rw_self *self, const struct rw_locks *locks, uint64_t key)
{
    if (__atomic_load_n(&site_of(key)->key, __ATOMIC_RELAXED) != key)
        copy(self, locks, key);
}

uint32_t rw_lock_stack_record(uint64_t key)
{
    struct rw_lock_stack *site = site_of(key);
    for (uint32_t i = 0; i < recorded; i++) {
        if (rw_lock_stacks[i].key == key)
            return i + 1;
    }
    uint32_t sequence = __atomic_load_n(&site->sequence, __ATOMIC_ACQUIRE);
    if (site->key != key || sequence & 1)
        return 0;
    if (recorded == RW_LOCK_STACK_COUNT) {
        rw_header->lock_stacks_left_out++;
        return 0;
    }
    struct rw_lock_stack *entry = &rw_lock_stacks[recorded];
    rw_copy((char *)entry + sizeof entry->sequence, (char *)site + sizeof site->sequence,
            sizeof *entry - sizeof entry->sequence);
    __atomic_thread_fence(__ATOMIC_ACQUIRE);
    if (__atomic_load_n(&site->sequence, __ATOMIC_RELAXED) != sequence) {
        entry->key = 0;
        return 0;
    }
    __atomic_store_n(&rw_header->lock_stacks_written, ++recorded, __ATOMIC_RELEASE);
    return recorded;
}
