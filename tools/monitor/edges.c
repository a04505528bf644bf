/* SPDX-License-Identifier: MIT */
/*
 * The wait-for graph as far as the recordings and one word of memory tell it: mutexes and rwlocks by their
 * owner field, semaphores by who took them, joins by the thread joined. Each thread waits for one thing, so a
 * circle is found by walking. Nothing is stopped; a value may be stale, and a look then says so.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>

#include <talloc.h>

#include "tools/monitor/progress.h"
#include "tools/monitor/triggers.h"
#include "tools/recording/reader.h"

/* glibc, x86-64: pthread_mutex_t.__data.__owner, pthread_rwlock_t.__data.__cur_writer. */
#define MUTEX_OWNER_OFFSET 8
#define RWLOCK_WRITER_OFFSET 24

struct node {
    int tid;
    int owner;
    int pid;
    struct rw_slot_view *view;
    size_t next; /* index, or SIZE_MAX */
    size_t walk; /* number of the walk that came by */
};

static int read_tid(int pid, uint64_t address, uint64_t before)
{
    int tid = 0;
    struct iovec here = {&tid, sizeof(tid)}, there = {(void *)(uintptr_t)address, sizeof(tid)};
    return process_vm_readv(pid, &here, 1, &there, 1, 0) == sizeof(tid) ? tid : (int)before;
}

static int joined_tid(const struct rw_watched *watched, uint64_t pthread)
{
    for (size_t i = 0; i < watched->slot_count; i++) {
        const struct rw_slot_view *view = &watched->slots[i];
        if (view->pthread == pthread &&
            (view->state == RW_THREAD_RUNNING || view->state == RW_THREAD_WAITING))
            return view->tid;
    }
    return 0;
}

static int owner_of(const struct rw_watched *watched, const struct rw_slot_view *view)
{
    const struct rw_wait *wait = &view->wait;
    struct rw_semaphore owner;
    struct rw_lock lock;
    switch (wait->kind) {
    case RW_WAIT_MUTEX:
        return read_tid(watched->pid, wait->object + MUTEX_OWNER_OFFSET, wait->object2);
    case RW_WAIT_RWLOCK_READ:
    case RW_WAIT_RWLOCK_WRITE:
        return read_tid(watched->pid, wait->object + RWLOCK_WRITER_OFFSET, wait->object2);
    case RW_WAIT_SEMAPHORE:
        if (wait->object2 && !rw_reader_lock_owner(watched->reader, wait->object2, &lock))
            return lock.tid == view->tid ? 0 : lock.tid;
        /* Taken by oneself: a lock used as a signal, as Python's conditions do, and no circle. */
        if (rw_reader_semaphore_owner(watched->reader, wait->object, &owner) != 0 || owner.tid == view->tid)
            return 0;
        return owner.tid;
    case RW_WAIT_JOIN:
        return joined_tid(watched, wait->object);
    default:
        return 0;
    }
}

static int by_tid(const void *a, const void *b)
{
    int left = ((const struct node *)a)->tid, right = ((const struct node *)b)->tid;
    return (left > right) - (left < right);
}

static struct node *collect(struct rw_watch *watch, uint64_t now_ns, uint64_t age_ns, size_t *count)
{
    struct node *nodes = NULL;
    *count = 0;
    for (size_t i = 0; i < rw_watch_count(watch); i++) {
        struct rw_watched *watched = rw_watch_at(watch, i);
        /* Locks that processes share across namespaces have TIDs of both in them: a look tells. */
        if (watched->is_over || watched->reader == NULL || watched->is_elsewhere)
            continue;
        for (size_t j = 0; j < watched->slot_count; j++) {
            struct rw_slot_view *view = &watched->slots[j];
            if (!rw_is_blocked(view) || view->tid <= 0 || now_ns < view->since_ns + age_ns)
                continue;
            int owner = owner_of(watched, view);
            if (owner <= 0)
                continue;
            nodes = talloc_realloc(NULL, nodes, struct node, *count + 1);
            nodes[(*count)++] = (struct node){view->tid, owner, watched->pid, view, SIZE_MAX, 0};
        }
    }
    return nodes;
}

/* Marks the circle that node `at` lies on; whether any of it was unmarked. */
static bool mark_circle(struct node *nodes, size_t at)
{
    bool is_new = false;
    size_t i = at;
    do {
        is_new |= nodes[i].view->cycle_since_ns != nodes[i].view->since_ns;
        nodes[i].view->cycle_since_ns = nodes[i].view->since_ns;
        i = nodes[i].next;
    } while (i != at);
    return is_new;
}

void rw_forget_circles(struct rw_watch *watch)
{
    for (size_t i = 0; i < rw_watch_count(watch); i++) {
        struct rw_watched *watched = rw_watch_at(watch, i);
        for (size_t j = 0; j < watched->slot_count; j++)
            watched->slots[j].cycle_since_ns = 0;
    }
}

int rw_find_circle(struct rw_watch *watch, uint64_t now_ns, uint64_t age_ns)
{
    size_t count;
    struct node *nodes = collect(watch, now_ns, age_ns, &count);
    int found = 0;
    if (count > 0)
        qsort(nodes, count, sizeof(*nodes), by_tid);
    for (size_t i = 0; i < count; i++) {
        const struct node key = {.tid = nodes[i].owner};
        const struct node *next = bsearch(&key, nodes, count, sizeof(*nodes), by_tid);
        nodes[i].next = next != NULL ? (size_t)(next - nodes) : SIZE_MAX;
    }
    for (size_t i = 0; i < count && found == 0; i++) {
        size_t walk = i + 1, at = i;
        while (at != SIZE_MAX && nodes[at].walk == 0) {
            nodes[at].walk = walk;
            at = nodes[at].next;
        }
        if (at != SIZE_MAX && nodes[at].walk == walk && mark_circle(nodes, at))
            found = nodes[at].pid;
    }
    talloc_free(nodes);
    return found;
}
