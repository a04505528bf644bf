/* SPDX-License-Identifier: MIT */
#include "shim/lock_places.h"

#include "shim/lock_order.h"

#define PLACES 1024u
#define WAYS 4u
#define ANYWHERE 1u /* no address of a call */

/* Tables that only grow, without a lock: an entry is claimed by its key. What finds no room is not known. */
struct place {
    uint64_t key;       /* 0: free; atomic */
    uint64_t condition; /* atomic */
};
static struct place places[PLACES];
static uint64_t waited[PLACES]; /* conditions that somebody waited for */
static uint64_t waiting[PLACES];
static uint64_t gathering[PLACES];

static uint64_t mix(uint64_t a, uint64_t b)
{
    return ((a + b * UINT64_C(0xff51afd7ed558ccd)) * UINT64_C(0x9e3779b97f4a7c15)) | 1;
}

static uint32_t place_of(uint64_t key)
{
    return (uint32_t)((key * UINT64_C(0x9e3779b97f4a7c15)) >> 40) % (PLACES / WAYS) * WAYS;
}

static bool claim(uint64_t *entry, uint64_t key)
{
    uint64_t nobody = 0;
    return __atomic_compare_exchange_n(entry, &nobody, key, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED) ||
           nobody == key;
}

static bool has(const uint64_t *set, uint64_t key)
{
    uint32_t first = place_of(key);
    for (uint32_t i = first; i < first + WAYS; i++) {
        if (__atomic_load_n(&set[i], __ATOMIC_RELAXED) == key)
            return true;
    }
    return false;
}

static void put(uint64_t *set, uint64_t key)
{
    uint32_t first = place_of(key);
    for (uint32_t i = first; key != 0 && i < first + WAYS && !claim(&set[i], key); i++)
        ;
}

static struct place *find(uint64_t key)
{
    uint32_t first = place_of(key);
    for (uint32_t i = first; i < first + WAYS; i++) {
        if (__atomic_load_n(&places[i].key, __ATOMIC_RELAXED) == key)
            return &places[i];
    }
    return NULL;
}

static void learn(uint64_t key, uint64_t condition)
{
    struct place *known = find(key);
    uint32_t first = place_of(key);
    for (uint32_t i = first; !known && i < first + WAYS; i++) {
        if (claim(&places[i].key, key))
            known = &places[i];
    }
    if (known)
        __atomic_store_n(&known->condition, condition, __ATOMIC_RELAXED);
}

void rw_place_waits(const struct rw_held *mutex, uint64_t condition)
{
    struct place *anywhere = find(mix(mutex->lock, ANYWHERE));
    put(waited, condition);
    learn(mix(mutex->lock, mutex->return_address), condition);
    if (anywhere)
        __atomic_store_n(&anywhere->condition, 0, __ATOMIC_RELAXED);
}

/* A condition is signalled with its mutex held, mostly. As long as nobody has waited for it, it may be waited
 * for wherever that mutex is taken. */
uint64_t rw_place_signals(const struct rw_locks *locks, uint64_t condition)
{
    if (has(waited, condition))
        return 0;
    for (uint32_t i = locks->count; i-- > 0;) {
        const struct rw_held *held = &locks->held[i];
        if (held->how & (RW_LOCK_SEMAPHORE | RW_LOCK_PYTHON | RW_LOCK_GIL | RW_LOCK_SHARED))
            continue;
        learn(mix(held->lock, ANYWHERE), condition);
        return held->lock;
    }
    return 0;
}

uint64_t rw_place_condition(uint64_t mutex, uint64_t return_address)
{
    const struct place *place = find(mix(mutex, return_address));
    if (!place)
        place = find(mix(mutex, ANYWHERE));
    return place ? __atomic_load_n(&place->condition, __ATOMIC_RELAXED) : 0;
}

void rw_place_python_waits(uint64_t functions)
{
    put(waiting, functions);
}

bool rw_place_is_waiting(uint64_t functions)
{
    return functions != 0 && has(waiting, functions);
}

void rw_place_python_gathers(uint64_t functions)
{
    put(gathering, functions);
}

bool rw_place_is_gathering(uint64_t functions)
{
    return functions != 0 && has(gathering, functions);
}
