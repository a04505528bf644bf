/* SPDX-License-Identifier: MIT */
#include "tools/incident/fold.h"

#include <stdlib.h>
#include <string.h>
#include <talloc.h>
#include <uthash.h>

#include "tools/incident/model.h"

/* What was told first, and of which thread. */
struct told {
    const struct rw_thread *thread;
    const struct rw_channel *channel; /* for holders */
    UT_hash_handle hh;
};

/* The entry of the key, or NULL after one was made of `what`. The key must last. */
static const struct told *tell(void *ctx, struct told **all, const void *key, size_t length, struct told what)
{
    struct told *told;

    HASH_FIND(hh, *all, key, length, told);
    if (told)
        return told;
    told = talloc_zero(ctx, struct told);
    if (!told)
        abort();
    *told = what;
    HASH_ADD_KEYPTR(hh, *all, key, length, told);
    return NULL;
}

static void *need(void *memory)
{
    if (!memory)
        abort();
    return memory;
}

/* In one process the same places in the code are the same frames, but for where on the stack they lie. */
static void fold_native(void *ctx, struct told **all, struct rw_thread *thread)
{
    uint64_t *places = need(talloc_array(ctx, uint64_t, (unsigned)thread->native_count + 1));

    for (size_t i = 0; i < thread->native_count; i++)
        places[i] = thread->native[i].pc;
    if (thread->native_count == 0)
        return;
    const struct told *told =
        tell(ctx, all, places, thread->native_count * sizeof *places, (struct told){.thread = thread});
    thread->native_as = told ? told->thread->tid : 0;
}

/* All of a Python frame but its address. Frames of the same code share its strings. */
struct python_place {
    const char *function, *file, *kind;
    int64_t interpreter, line, native_index, marks;
};

static void fold_python(void *ctx, struct told **all, struct rw_thread *thread)
{
    struct python_place *places =
        need(talloc_array(ctx, struct python_place, (unsigned)thread->python_count + 1));

    for (size_t i = 0; i < thread->python_count; i++) {
        const struct rw_python_frame *frame = &thread->python[i];
        places[i] = (struct python_place){frame->function,
                                          frame->file,
                                          frame->kind,
                                          frame->interpreter,
                                          frame->line,
                                          frame->native_index,
                                          frame->is_entry | frame->is_torn << 1};
    }
    if (thread->python_count == 0)
        return;
    const struct told *told =
        tell(ctx, all, places, thread->python_count * sizeof *places, (struct told){.thread = thread});
    thread->python_as = told ? told->thread->tid : 0;
}

static void fold_stacks(struct rw_process_info *process)
{
    void *ctx = talloc_new(NULL);
    struct told *native = NULL, *python = NULL;

    for (size_t i = 0; process->thread_count > RW_FOLD_THREADS && i < process->thread_count; i++) {
        struct rw_thread *thread = &process->threads[i];
        if (thread->tid <= 0)
            continue;
        fold_native(ctx, &native, thread);
        fold_python(ctx, &python, thread);
    }
    HASH_CLEAR(hh, native);
    HASH_CLEAR(hh, python);
    talloc_free(ctx);
}

static bool is_same_text(const char *a, const char *b)
{
    return a == b || (a && b && strcmp(a, b) == 0);
}

/* What the two wait for is the same thing: so those who can end one wait can end the other. */
static bool is_same_channel(const struct rw_channel *a, const struct rw_channel *b)
{
    return a->inode == b->inode && is_same_text(a->kind, b->kind) && is_same_text(a->wants, b->wants);
}

/* Channels share the list itself where one look has filled them. */
static void fold_holders(void *ctx, struct told **all, struct rw_thread *thread)
{
    struct rw_wait_on *wait = thread->waits_on;

    for (size_t i = 0; wait && thread->tid > 0 && i < wait->channel_count; i++) {
        struct rw_channel *channel = &wait->channels[i];

        if (channel->holder_count <= RW_FOLD_HOLDERS)
            continue;
        const struct told *told = tell(ctx, all, &channel->holders, sizeof channel->holders,
                                       (struct told){.thread = thread, .channel = channel});
        if (told && is_same_channel(told->channel, channel))
            channel->holders_as = told->thread->tid;
    }
}

void rw_incident_fold(struct rw_incident *incident)
{
    void *ctx = talloc_new(NULL);
    struct told *all = NULL;

    for (size_t i = 0; i < incident->process_count; i++) {
        struct rw_process_info *process = &incident->processes[i];

        fold_stacks(process);
        for (size_t j = 0; j < process->thread_count; j++)
            fold_holders(ctx, &all, &process->threads[j]);
    }
    HASH_CLEAR(hh, all);
    talloc_free(ctx);
}

static const struct rw_thread *thread_of(const struct rw_incident *incident, int tid)
{
    const struct rw_thread *found = NULL;

    for (size_t i = 0; i < incident->process_count && !found; i++)
        found = rw_process_find_thread(&incident->processes[i], tid);
    return found;
}

static void unfold_native(const struct rw_process_info *process, struct rw_thread *thread)
{
    const struct rw_thread *other =
        thread->native_as ? rw_process_find_thread(process, thread->native_as) : NULL;

    if (!other || other->native_as)
        return;
    thread->native = other->native;
    thread->native_count = other->native_count;
}

static void unfold_python(const struct rw_process_info *process, struct rw_thread *thread)
{
    const struct rw_thread *other =
        thread->python_as ? rw_process_find_thread(process, thread->python_as) : NULL;

    if (!other || other->python_as)
        return;
    thread->python = other->python;
    thread->python_count = other->python_count;
}

static void unfold_holders(const struct rw_incident *incident, struct rw_channel *channel)
{
    const struct rw_thread *other = thread_of(incident, channel->holders_as);
    const struct rw_wait_on *wait = other ? other->waits_on : NULL;

    for (size_t i = 0; wait && i < wait->channel_count; i++) {
        const struct rw_channel *first = &wait->channels[i];

        if (first->holders_as || !is_same_channel(first, channel))
            continue;
        channel->holders = first->holders;
        channel->holder_count = first->holder_count;
        return;
    }
    if (channel->is_complete == 1)
        channel->is_complete = 0;
}

void rw_incident_unfold(struct rw_incident *incident)
{
    for (size_t i = 0; i < incident->process_count; i++) {
        struct rw_process_info *process = &incident->processes[i];

        for (size_t j = 0; j < process->thread_count; j++) {
            struct rw_thread *thread = &process->threads[j];

            unfold_native(process, thread);
            unfold_python(process, thread);
            for (size_t k = 0; thread->waits_on && k < thread->waits_on->channel_count; k++)
                if (thread->waits_on->channels[k].holders_as)
                    unfold_holders(incident, &thread->waits_on->channels[k]);
        }
    }
}
