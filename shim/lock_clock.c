/* SPDX-License-Identifier: MIT */
#include "shim/lock_clock.h"

#include <sys/mman.h>

#include "shim/lock_edges.h"
#include "shim/raw.h"
#include "shim/slot.h"
#include "shim/text.h"

#define SETS 256u
#define WAYS 4u

/* What was sent to an object. One that finds no room takes the place of the one that was used longest ago,
 * whose receivers then seem to know nothing. */
struct object {
    uint64_t number; /* 0: none */
    uint32_t used_at;
    uint32_t count; /* of `seen` */
    uint32_t seen[RW_LANES];
};

struct set {
    uint32_t writing; /* rw_table_begin() */
    uint32_t uses;
    struct object objects[WAYS];
};

struct lane {
    uint32_t slot, generation; /* whose it is */
    uint32_t count;
};

static struct rw_clock *clocks; /* by the number of the slot */
static struct set *sets;
static struct lane lanes[RW_LANES];
static uint32_t lanes_used, lanes_epoch; /* lanes_used: atomic */

bool rw_clocks_prepare(void)
{
    long memory = rw_raw6(SYS_mmap, 0, RW_SLOT_MAX * sizeof(struct rw_clock) + SETS * sizeof(struct set),
                          PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (rw_raw_is_error(memory))
        return false;
    clocks = (struct rw_clock *)memory;
    sets = (struct set *)(clocks + RW_SLOT_MAX);
    return true;
}

/* A fork child begins with none; what its parent had of them is emptied before the first one is given. */
uint32_t rw_lanes_in_use(void)
{
    uint32_t used = __atomic_load_n(&lanes_used, __ATOMIC_ACQUIRE);
    return used != 0 && lanes_epoch == rw_live->epoch ? used : 0;
}

static void begin_lanes(void)
{
    if (lanes_epoch == rw_live->epoch)
        return;
    __atomic_store_n(&lanes_used, 0, __ATOMIC_RELAXED);
    for (uint32_t i = 0; i < SETS; i++) {
        if (sets[i].uses != 0)
            rw_zero(&sets[i], sizeof sets[i]);
    }
    lanes_epoch = rw_live->epoch;
}

static bool is_of(const struct rw_clock *clock, uint32_t generation)
{
    return clock->generation == generation && clock->epoch == rw_live->epoch;
}

static struct rw_clock *clock_at(uint32_t slot, uint32_t generation)
{
    struct rw_clock *clock = &clocks[slot];
    if (!is_of(clock, generation)) {
        rw_zero(clock, sizeof *clock);
        clock->generation = generation;
        clock->epoch = rw_live->epoch;
    }
    return clock;
}

struct rw_clock *rw_clock_of(const struct rw_self *self)
{
    return clock_at(self->slot, self->area->slot.generation);
}

static bool is_over(const struct lane *lane)
{
    const struct rw_launch *launch = rw_slot_launch(lane->slot);
    return launch->generation != lane->generation || !rw_slot_is_alive(&launch->area->slot);
}

bool rw_lane_is_over(uint32_t lane)
{
    return is_over(&lanes[lane]);
}

/* The lane of a thread that has ended is another one's afterwards, who counts on in it: the orders that were
 * noted in it are out of the way by then. */
static uint32_t free_lane(void)
{
    if (lanes_used < RW_LANES)
        return lanes_used;
    uint32_t least[RW_LANES];
    rw_clocks_least(least);
    uint32_t behind = RW_LANES;
    for (uint32_t i = 0; i < RW_LANES; i++) {
        if (!is_over(&lanes[i]))
            continue;
        if (least[i] >= lanes[i].count)
            return i;
        behind = i;
    }
    return behind;
}

bool rw_clock_join_lanes(const struct rw_self *self, struct rw_clock *clock)
{
    if (clock->lane != 0)
        return true;
    begin_lanes();
    uint32_t number = free_lane();
    if (number == RW_LANES)
        return false;
    struct lane *lane = &lanes[number];
    if (number == lanes_used) {
        lane->count = 0;
        __atomic_store_n(&lanes_used, number + 1, __ATOMIC_RELEASE);
    } else {
        rw_lock_edges_leave_lane(number);
    }
    lane->slot = self->slot;
    lane->generation = clock->generation;
    clock->lane = number + 1;
    clock->version++;
    __atomic_store_n(&clock->seen[number], ++lane->count, __ATOMIC_RELAXED);
    return true;
}

void rw_clocks_least(uint32_t least[RW_LANES])
{
    uint32_t used = rw_lanes_in_use(), slots = rw_slot_count();
    for (uint32_t i = 0; i < used; i++)
        least[i] = UINT32_MAX;
    for (uint32_t slot = 0; slot < slots; slot++) {
        const struct rw_launch *launch = rw_slot_launch(slot);
        if (!rw_slot_is_alive(&launch->area->slot))
            continue;
        bool is_known = is_of(&clocks[slot], launch->generation);
        for (uint32_t i = 0; i < used; i++) {
            uint32_t seen = is_known ? __atomic_load_n(&clocks[slot].seen[i], __ATOMIC_RELAXED) : 0;
            least[i] = seen < least[i] ? seen : least[i];
        }
    }
}

/* What was done so far can be told from what is done from now on. */
static void count_on(struct rw_clock *clock)
{
    if (!clock->is_noted)
        return;
    clock->is_noted = false;
    clock->version++;
    uint32_t lane = clock->lane - 1;
    __atomic_store_n(&clock->seen[lane], ++lanes[lane].count, __ATOMIC_RELAXED);
}

static void merge(struct rw_clock *clock, const uint32_t *seen, uint32_t count)
{
    bool is_new = false;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t theirs = __atomic_load_n(&seen[i], __ATOMIC_RELAXED);
        if (theirs > clock->seen[i]) {
            __atomic_store_n(&clock->seen[i], theirs, __ATOMIC_RELAXED);
            is_new = true;
        }
    }
    clock->version += is_new;
}

static struct set *set_of(uint64_t number)
{
    return &sets[(number * UINT64_C(0x9e3779b97f4a7c15)) >> 56];
}

static struct object *find(struct set *set, uint64_t number)
{
    for (uint32_t i = 0; i < WAYS; i++) {
        if (set->objects[i].number == number)
            return &set->objects[i];
    }
    return NULL;
}

static struct object *make(struct set *set, uint64_t number)
{
    struct object *oldest = &set->objects[0];
    for (uint32_t i = 1; i < WAYS; i++) {
        struct object *object = &set->objects[i];
        if (oldest->number != 0 && (object->number == 0 || object->used_at < oldest->used_at))
            oldest = object;
    }
    oldest->number = number;
    oldest->count = 0;
    return oldest;
}

static bool has_seen(const struct rw_clock *clock, uint32_t used)
{
    uint32_t any = 0;
    for (uint32_t i = 0; i < used; i++)
        any |= clock->seen[i];
    return any != 0;
}

void rw_clock_send(const struct rw_self *self, uint64_t number)
{
    uint32_t used = rw_lanes_in_use();
    struct rw_clock *clock = used != 0 ? rw_clock_of(self) : NULL;
    if (!clock || !has_seen(clock, used))
        return;
    struct set *set = set_of(number);
    if (!rw_table_begin(&set->writing))
        return;
    struct object *object = find(set, number);
    if (!object)
        object = make(set, number);
    object->used_at = ++set->uses;
    for (uint32_t i = 0; i < used; i++) {
        uint32_t known = i < object->count ? object->seen[i] : 0;
        object->seen[i] = clock->seen[i] > known ? clock->seen[i] : known;
    }
    object->count = used;
    rw_table_end(&set->writing);
    count_on(clock);
}

void rw_clock_receive(const struct rw_self *self, uint64_t number)
{
    if (rw_lanes_in_use() == 0)
        return;
    struct set *set = set_of(number);
    if (!rw_table_begin(&set->writing))
        return;
    struct object *object = find(set, number);
    if (object) {
        object->used_at = ++set->uses;
        merge(rw_clock_of(self), object->seen, object->count);
    }
    rw_table_end(&set->writing);
}

void rw_clock_forget(uint64_t number)
{
    struct set *set = set_of(number);
    if (rw_lanes_in_use() == 0 || !find(set, number) || !rw_table_begin(&set->writing))
        return;
    struct object *object = find(set, number);
    if (object)
        object->number = 0;
    rw_table_end(&set->writing);
}

void rw_clock_create(const struct rw_self *self, uint32_t slot, uint32_t generation)
{
    uint32_t used = rw_lanes_in_use();
    struct rw_clock *clock = clock_at(slot, generation);
    if (used == 0)
        return;
    merge(clock, rw_clock_of(self)->seen, used);
    count_on(rw_clock_of(self));
}

void rw_clock_join(const struct rw_self *self, uint32_t slot, uint32_t generation)
{
    uint32_t used = rw_lanes_in_use();
    if (used != 0 && is_of(&clocks[slot], generation))
        merge(rw_clock_of(self), clocks[slot].seen, used);
}
