/* SPDX-License-Identifier: MIT */
/* The tables of a recording: slots with their rings and stack copies, tests, interpreters, semaphores, locks.
 */
#include "tools/recording/reader_internal.h"

#include <errno.h>
#include <sched.h>
#include <string.h>
#include <talloc.h>

/* An entry is being written for well under a microsecond, unless its writer lost the CPU or died in the
 * middle: a few looks find it whole, more would only be waiting. */
#define LOOKS 8

/*
 * Copies an entry that begins with its sequence counter. Three reads: counter, entry, counter. The kernel may
 * copy the bytes of one read in any order, so a counter inside the entry's own copy would not prove that the
 * rest is neither older nor newer than it; the counters read before and after do. Reads of one thread happen
 * in program order on x86-64, as do the writer's stores, so no barrier is needed on either side.
 */
static int read_whole(const struct rw_reader *reader, uint64_t offset, void *entry, size_t size)
{
    for (int look = 0; look < LOOKS; look++) {
        uint32_t before, after;
        int error = rw_reader_read(reader, offset, &before, sizeof(before));
        if (error != 0)
            return error;
        if (before == 0) { /* never written, as most entries of most recordings */
            memset(entry, 0, size);
            return 0;
        }
        if ((before & 1) == 0) {
            error = rw_reader_read(reader, offset, entry, size);
            if (error == 0)
                error = rw_reader_read(reader, offset, &after, sizeof(after));
            if (error != 0)
                return error;
            if (before == after)
                return 0;
        }
        if (look > LOOKS / 2)
            sched_yield();
    }
    int error = rw_reader_read(reader, offset, entry, size);
    return error != 0 ? error : -EAGAIN;
}

static bool has_entry(int error)
{
    return error == 0 || error == -EAGAIN;
}

static uint64_t slot_offset(const struct rw_reader *reader, unsigned index)
{
    return reader->header.slot_offset + (uint64_t)index * sizeof(struct rw_slot_area);
}

/* The cached copy for this slot, or NULL if there is no memory for one. */
static struct rw_slot_cache *slot_cache(struct rw_reader *reader, unsigned index)
{
    if (index >= reader->cached_slots) {
        unsigned count = reader->header.slot_used;
        if (index >= count)
            return NULL;
        struct rw_slot_cache *grown = talloc_realloc(reader, reader->cache, struct rw_slot_cache, count);
        if (grown == NULL)
            return NULL;
        for (unsigned i = reader->cached_slots; i < count; i++)
            grown[i].is_valid = false;
        reader->cache = grown;
        reader->cached_slots = count;
    }
    return &reader->cache[index];
}

int rw_reader_slot(struct rw_reader *reader, unsigned index, struct rw_slot *slot)
{
    if (index >= reader->header.slot_used)
        return -ENOENT;
    uint64_t offset = slot_offset(reader, index);

    /* The counter says whether the cached copy still is the slot. What precedes `transitions` must be the
     * same too: some of it is written in one store, without the counter (the handle that pthread_create
     * returns). `transitions` itself is taken anew each time: it moves with every event, and not every event
     * changes the state. */
    memset(slot, 0, sizeof(*slot));
    int error = rw_reader_read(reader, offset, slot, offsetof(struct rw_slot, stack_top));
    if (error != 0)
        return error;
    struct rw_slot_cache *cache = slot_cache(reader, index);
    if (cache != NULL && cache->is_valid &&
        memcmp(cache->bytes, slot, offsetof(struct rw_slot, transitions)) == 0) {
        uint64_t transitions = slot->transitions;
        memcpy(slot, cache->bytes, RW_SLOT_HEAD);
        slot->transitions = transitions;
    } else {
        error = read_whole(reader, offset, slot, RW_SLOT_HEAD);
        if (!has_entry(error))
            return error;
        RW_TERMINATE(slot->name);
        RW_TERMINATE(slot->test);
        if (cache != NULL && error == 0)
            memcpy(cache->bytes, slot, RW_SLOT_HEAD);
        if (cache != NULL)
            cache->is_valid = error == 0;
    }
    return slot->state == RW_THREAD_FREE ? -ENOENT : error;
}

/* The counts of a slot's two rings and the rings, as they lie in the file. */
struct rings {
    uint64_t written[2];
    struct rw_event events[2][RW_EVENT_MAX];
};

_Static_assert(offsetof(struct rw_slot, waits_written) == offsetof(struct rw_slot, lifecycle_written) + 8 &&
                   offsetof(struct rw_slot, lifecycle) == offsetof(struct rw_slot, lifecycle_written) + 16 &&
                   offsetof(struct rw_slot, waits) ==
                       offsetof(struct rw_slot, lifecycle) + RW_EVENT_MAX * sizeof(struct rw_event),
               "struct rings is a part of struct rw_slot");

/* Appends to the history, in the order of time; equal times keep the order in which they come. */
static void add_event(struct rw_history *history, const struct rw_event *event)
{
    size_t at = history->count;
    while (at > 0 && history->events[at - 1].time_ns > event->time_ns) {
        history->events[at] = history->events[at - 1];
        at--;
    }
    history->events[at] = *event;
    history->count++;
}

int rw_reader_history(struct rw_reader *reader, unsigned index, const struct rw_slot *slot,
                      struct rw_history *history)
{
    history->count = 0;
    history->is_cut = false;
    if (index >= reader->header.slot_used)
        return -ENOENT;
    uint64_t offset = slot_offset(reader, index) + offsetof(struct rw_slot, lifecycle_written);
    uint64_t before[2];
    struct rings rings;
    uint64_t after[2];
    uint32_t generation;
    int error = rw_reader_read(reader, offset, before, sizeof(before));
    if (error == 0)
        error = rw_reader_read(reader, offset, &rings, sizeof(rings));
    if (error == 0)
        error = rw_reader_read(reader, offset, after, sizeof(after));
    if (error == 0)
        error = rw_reader_read(reader, slot_offset(reader, index) + offsetof(struct rw_slot, generation),
                               &generation, sizeof(generation));
    if (error != 0)
        return error;
    if (generation != slot->generation)
        return -ENOENT; /* another thread has the slot by now */

    for (int ring = 0; ring < 2; ring++) {
        if (before[ring] > after[ring]) {
            error = -EAGAIN; /* the slot was taken anew, or the count was scribbled over */
            continue;
        }
        /* Whole are the records that were complete before the copy and not yet being overwritten after it.
         * The writer may be at record number after[ring], in the place of the one RW_EVENT_MAX before. */
        uint64_t first = after[ring] < RW_EVENT_MAX ? 0 : after[ring] - RW_EVENT_MAX + 1;
        bool is_from_former_thread = false;
        for (uint64_t i = first; i < before[ring]; i++) {
            const struct rw_event *event = &rings.events[ring][i % RW_EVENT_MAX];
            if (event->time_ns == 0 || event->time_ns < slot->created_ns)
                is_from_former_thread = true;
            else
                add_event(history, event);
        }
        if (first > 0 && !is_from_former_thread)
            history->is_cut = true;
    }
    return error;
}

int rw_reader_capture(struct rw_reader *reader, unsigned index, struct rw_capture *capture,
                      uint8_t stack[RW_STACK_MAX])
{
    if (index >= reader->header.slot_used)
        return -ENOENT;
    uint64_t offset = slot_offset(reader, index);
    uint64_t at = offset + offsetof(struct rw_slot, capture);
    for (int look = 0; look < LOOKS; look++) {
        int error = read_whole(reader, at, capture, sizeof(*capture));
        if (!has_entry(error))
            return error;
        if (capture->by == RW_CAPTURE_NONE)
            return -ENOENT;
        if (capture->stack_length > RW_STACK_MAX) {
            capture->stack_length = RW_STACK_MAX;
            capture->stack_whole = 0;
        }
        uint32_t sequence;
        int later = rw_reader_read(reader, offset + offsetof(struct rw_slot_area, stack), stack,
                                   capture->stack_length);
        if (later == 0)
            later = rw_reader_read(reader, at, &sequence, sizeof(sequence));
        if (later != 0)
            return later;
        if (error == 0 && sequence == capture->sequence)
            return 0;
    }
    return -EAGAIN;
}

int rw_reader_test(struct rw_reader *reader, uint64_t number, struct rw_test *test)
{
    const struct rw_header *header = &reader->header;
    if (number == 0)
        return -ENOENT;
    uint64_t index = (number - 1) % header->test_count;
    int error = read_whole(reader, header->test_offset + index * sizeof(*test), test, sizeof(*test));
    if (!has_entry(error))
        return error;
    RW_TERMINATE(test->name);
    return test->number == number ? error : -ENOENT;
}

int rw_reader_current_test(struct rw_reader *reader, struct rw_test *test)
{
    uint64_t number;
    int error = rw_reader_read(reader, offsetof(struct rw_header, test_written), &number, sizeof(number));
    if (error == 0)
        error = rw_reader_test(reader, number, test);
    if (!has_entry(error))
        return error;
    return test->end_ns == 0 ? error : -ENOENT;
}

int rw_reader_interpreter(struct rw_reader *reader, unsigned index, struct rw_interpreter *interpreter)
{
    const struct rw_header *header = &reader->header;
    if (index >= header->interpreter_count)
        return -ENOENT;
    int error = read_whole(reader, header->interpreter_offset + index * sizeof(*interpreter), interpreter,
                           sizeof(*interpreter));
    if (!has_entry(error))
        return error;
    RW_TERMINATE(interpreter->test);
    return interpreter->state == RW_INTERPRETER_FREE ? -ENOENT : error;
}

int rw_reader_semaphore_owner(struct rw_reader *reader, uint64_t address, struct rw_semaphore *owner)
{
    const struct rw_header *header = &reader->header;
    if (address == 0)
        return -ENOENT;
    /* All of the table is one read of 16 KiB; where in it an address is kept is the writer's business. */
    struct rw_semaphore table[RW_SEMAPHORE_MAX];
    int error =
        rw_reader_read(reader, header->semaphore_offset, table, header->semaphore_count * sizeof(table[0]));
    if (error != 0)
        return error;
    for (uint32_t i = 0; i < header->semaphore_count; i++) {
        if (table[i].address != address)
            continue;
        /* No counter guards it: the entry is believed when a second look finds the same. */
        error =
            rw_reader_read(reader, header->semaphore_offset + i * sizeof(table[0]), owner, sizeof(*owner));
        if (error != 0)
            return error;
        return memcmp(owner, &table[i], sizeof(*owner)) == 0 && owner->tid > 0 ? 0 : -EAGAIN;
    }
    return -ENOENT;
}

int rw_reader_semaphores(struct rw_reader *reader, struct rw_semaphore held[RW_SEMAPHORE_MAX], size_t *count)
{
    const struct rw_header *header = &reader->header;
    *count = 0;
    int error =
        rw_reader_read(reader, header->semaphore_offset, held, header->semaphore_count * sizeof(held[0]));
    for (uint32_t i = 0; error == 0 && i < header->semaphore_count; i++) {
        if (held[i].address > 1) /* 1: its writer is about to store the address */
            held[(*count)++] = held[i];
    }
    return error;
}

int rw_reader_misuse(struct rw_reader *reader, unsigned index, struct rw_misuse *misuse)
{
    const struct rw_header *header = &reader->header;
    if (index >= header->misuse_count)
        return -ENOENT;
    int error = read_whole(reader, header->misuse_offset + index * sizeof(*misuse), misuse, sizeof(*misuse));
    if (!has_entry(error))
        return error;
    RW_TERMINATE(misuse->name);
    RW_TERMINATE(misuse->other_name);
    return misuse->kind == RW_MISUSE_NONE ? -ENOENT : error;
}

int rw_reader_account(struct rw_reader *reader, uint64_t number, struct rw_account *account)
{
    const struct rw_header *header = &reader->header;
    if (number == 0 || number > header->accounts_written ||
        header->accounts_written - number >= header->account_count)
        return -ENOENT;
    uint64_t index = (number - 1) % header->account_count;
    int error =
        read_whole(reader, header->account_offset + index * sizeof(*account), account, sizeof(*account));
    if (!has_entry(error))
        return error;
    RW_TERMINATE(account->test);
    for (unsigned i = 0; i < RW_LEFT_MAX; i++)
        RW_TERMINATE(account->descriptors[i].target);
    return account->index == (uint32_t)number ? error : -ENOENT;
}

int rw_reader_lock_owner(struct rw_reader *reader, uint64_t address, struct rw_lock *owner)
{
    const struct rw_header *header = &reader->header;
    struct rw_lock set[RW_LOCK_WAYS];
    if (address <= 1 || header->lock_count == 0)
        return -ENOENT;
    uint64_t offset = header->lock_offset + rw_lock_set(address) * sizeof(set[0]);
    int error = rw_reader_read(reader, offset, set, sizeof(set));
    for (uint32_t i = 0; error == 0 && i < RW_LOCK_WAYS; i++) {
        if (set[i].address != address)
            continue;
        error = rw_reader_read(reader, offset + i * sizeof(set[0]), owner, sizeof(*owner));
        if (error == 0 && (memcmp(owner, &set[i], sizeof(*owner)) != 0 || owner->tid <= 0))
            error = -EAGAIN;
        return error;
    }
    return error != 0 ? error : -ENOENT;
}

int rw_reader_locks(struct rw_reader *reader, struct rw_lock held[RW_LOCK_MAX], size_t *count)
{
    const struct rw_header *header = &reader->header;
    *count = 0;
    int error = rw_reader_read(reader, header->lock_offset, held, header->lock_count * sizeof(held[0]));
    for (uint32_t i = 0; error == 0 && i < header->lock_count; i++) {
        if (held[i].address > 1)
            held[(*count)++] = held[i];
    }
    return error;
}

int rw_reader_lock_edge(struct rw_reader *reader, unsigned index, struct rw_lock_edge *edge)
{
    const struct rw_header *header = &reader->header;
    if (index >= header->lock_edge_count || index >= header->lock_edges_written)
        return -ENOENT;
    int error = read_whole(reader, header->lock_edge_offset + index * sizeof(*edge), edge, sizeof(*edge));
    if (!has_entry(error))
        return error;
    RW_TERMINATE(edge->name);
    if (edge->gate_count > RW_LOCK_GATE_MAX)
        edge->gate_count = RW_LOCK_GATE_MAX;
    if (edge->meet_count > RW_LOCK_MEET_MAX)
        edge->meet_count = RW_LOCK_MEET_MAX;
    return edge->flags & RW_EDGE_GONE ? -ENOENT : error;
}

int rw_reader_lock_stack(struct rw_reader *reader, uint32_t number, struct rw_lock_stack *stack)
{
    const struct rw_header *header = &reader->header;
    if (number == 0 || number > header->lock_stack_count || number > header->lock_stacks_written)
        return -ENOENT;
    int error =
        read_whole(reader, header->lock_stack_offset + (number - 1) * sizeof(*stack), stack, sizeof(*stack));
    if (!has_entry(error))
        return error;
    if (stack->frame_count > RW_LOCK_FRAME_MAX)
        stack->frame_count = RW_LOCK_FRAME_MAX;
    for (unsigned i = 0; i < RW_LOCK_FRAME_MAX; i++) {
        RW_TERMINATE(stack->frames[i].file);
        RW_TERMINATE(stack->frames[i].function);
    }
    if (stack->capture.stack_length > RW_LOCK_STACK_MAX)
        stack->capture.stack_length = 0;
    return error;
}

int rw_reader_problem(const struct rw_reader *reader, unsigned index, struct rw_problem *problem)
{
    if (index >= RW_PROBLEM_MAX || index >= reader->header.problem_count)
        return -ENOENT;
    *problem = reader->header.problems[index];
    return (problem->sequence & 1) == 0 ? 0 : -EAGAIN;
}
