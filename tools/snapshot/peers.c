/* SPDX-License-Identifier: MIT */
#include "tools/snapshot/peers.h"

#include <stdlib.h>
#include <string.h>
#include <talloc.h>
#include <time.h>

#include "tools/incident/model.h"
#include "tools/incident/wait_kinds.h"
#include "tools/snapshot/descriptor.h"
#include "tools/snapshot/holders.h"
#include "tools/snapshot/proc.h"
#include "tools/snapshot/sockets.h"

/* For a thread that was stopped a moment ago to be back in its call. */
#define SETTLE_ROUNDS 50
#define SETTLE_NS 1000000

struct work {
    struct rw_incident *incident;
    void *scratch;
    struct rw_sockets *sockets;
    struct rw_held_by *questions;
    struct rw_wait_on **waits; /* whose channel each question is about */
    size_t count;
    struct rw_wait_on *wait; /* that is being followed */
};

static void ask(struct work *work, int waiter, struct rw_channel *channel, struct rw_held_by question)
{
    struct rw_held_by *grown = work->questions;
    struct rw_wait_on **waits = work->waits;

    if (work->count % 64 == 0) {
        grown = talloc_realloc(work->scratch, work->questions, struct rw_held_by, work->count + 64);
        waits = talloc_realloc(work->scratch, work->waits, struct rw_wait_on *, work->count + 64);
    }
    if (!grown || !waits)
        abort();
    question.waiter = waiter;
    question.channel = channel;
    work->questions = grown;
    work->waits = waits;
    waits[work->count] = work->wait;
    grown[work->count++] = question;
}

static void follow_socket(struct work *work, int pid, struct rw_channel *channel)
{
    struct rw_socket found;

    if (!work->sockets || !rw_sockets_are_of(work->sockets, pid))
        work->sockets = rw_sockets_new(work->scratch, pid);
    if (!work->sockets) {
        channel->kind = "other";
        return;
    }
    rw_sockets_find(work->sockets, channel->inode, &found);
    channel->kind = found.kind;
    channel->state = found.state;
    channel->note = found.note ? talloc_strdup(work->incident, found.note) : NULL;
    if (strcmp(found.kind, "unix") != 0 && strcmp(found.kind, "tcp") != 0)
        return;
    if (found.peer) {
        ask(work, pid, channel,
            (struct rw_held_by){
                .target = talloc_asprintf(work->scratch, "socket:[%llu]", (unsigned long long)found.peer)});
        return;
    }
    channel->is_complete = found.note ? 0 : 1;
    if (!found.note)
        channel->note = "the other end has been closed";
}

static void follow_process(struct rw_channel *channel)
{
    struct rw_thread_times times;

    if (channel->holder_count == 0)
        return;
    int pid = channel->holders[0].pid;
    channel->is_complete = 1;
    if (rw_proc_thread(pid, pid, &times, NULL) < 0)
        channel->state = "gone";
    else
        channel->state = rw_proc_living_thread(pid) < 0 ? "zombie" : "alive";
}

static bool is_pty_master(const struct rw_channel *channel)
{
    return strcmp(channel->name, RW_PTY_MASTER) == 0;
}

/* A terminal that a program made for another one, as pexpect, script and ssh do. */
static void follow_pty(struct work *work, int pid, struct rw_channel *channel)
{
    if (is_pty_master(channel))
        ask(work, pid, channel,
            (struct rw_held_by){.target = talloc_asprintf(work->scratch, "/dev/pts/%llu",
                                                          (unsigned long long)channel->inode - 1)});
    else
        ask(work, pid, channel, (struct rw_held_by){.target = RW_PTY_MASTER, .inode = channel->inode});
}

/* A terminal whose master none of the processes has that are looked at is the user's. */
static void let_users_type(const struct rw_incident *incident, struct rw_channel *channel)
{
    if (strcmp(channel->kind, "pty") != 0 || is_pty_master(channel))
        return;
    for (size_t i = 0; i < channel->holder_count; i++)
        if (rw_incident_find_process(incident, channel->holders[i].pid))
            return;
    channel->kind = "terminal";
    channel->holders = NULL;
    channel->holder_count = 0;
    channel->is_complete = -1;
    channel->note = NULL;
}

static void follow(struct work *work, int pid, struct rw_channel *channel)
{
    bool wants_room = channel->wants && strcmp(channel->wants, "room") == 0;

    if (strcmp(channel->kind, "socket") == 0) {
        follow_socket(work, pid, channel);
    } else if (strcmp(channel->kind, "pipe") == 0) {
        ask(work, pid, channel,
            (struct rw_held_by){
                .target = channel->name, .needs_read = wants_room, .needs_write = !wants_room});
    } else if (strcmp(channel->kind, "eventfd") == 0 && channel->inode) {
        ask(work, pid, channel, (struct rw_held_by){.target = channel->name, .inode = channel->inode});
    } else if (strcmp(channel->kind, "pty") == 0) {
        follow_pty(work, pid, channel);
    } else if (strcmp(channel->kind, "memory") == 0) {
        if (channel->inode)
            ask(work, pid, channel, (struct rw_held_by){.inode = channel->inode});
    } else if (strcmp(channel->kind, "process") == 0) {
        follow_process(channel);
    } else if (strcmp(channel->kind, "file-lock") == 0) {
        /* A lock is the open file's, not the process': who took it need not be who has it, for a fork copies
         * the descriptor, and a close lets go of it only when it was the last one. */
        ask(work, pid, channel, (struct rw_held_by){.target = channel->name, .needs_lock = true});
    } else if (strcmp(channel->kind, "epoll") == 0 || strcmp(channel->kind, "eventfd") == 0 ||
               strcmp(channel->kind, "pidfd") == 0) {
        channel->kind = "other";
    }
}

/* Its context switches, once it is back in its call after it was looked at: from then on each one is its own.
 */
static void settle(int pid, struct rw_thread *thread, int *rounds)
{
    const struct timespec pause = {.tv_nsec = SETTLE_NS};
    struct rw_thread_times times;

    while (rw_proc_thread(pid, thread->tid, &times, NULL) == 0) {
        if (times.state != 'R' || *rounds == 0) {
            thread->switches = times.cpu_ns || times.switches ? (int64_t)times.switches : -1;
            return;
        }
        --*rounds;
        nanosleep(&pause, NULL);
    }
}

/* How often it has blocked: of a thread that runs, from now on each time is its own. */
static void count_blocks(int pid, struct rw_thread *thread)
{
    struct rw_proc_status status;

    if (thread->blocks_before >= 0 && rw_proc_status(pid, thread->tid, &status) == 0)
        thread->blocks = status.blocks;
}

/* A lock in shared memory names its owner by a TID. Where others that share it count threads in another PID
 * namespace, that number may be theirs, and be another thread's here. */
static void doubt_owners(const struct work *work)
{
    for (size_t i = 0; i < work->count; i++) {
        struct rw_wait_on *wait = work->waits[i];
        if (!work->questions[i].is_elsewhere || strcmp(work->questions[i].channel->kind, "memory") != 0 ||
            wait->owner.tid <= 0)
            continue;
        wait->owner = (struct rw_owner){
            .tid = -1,
            .pid = -1,
            .how = "its TID may be of another PID namespace, from which the memory is shared"};
    }
}

/* Which thread of the process took it is not known. */
static void name_lock_holder(struct rw_wait_on *wait)
{
    const struct rw_channel *channel = wait->channel_count == 1 ? &wait->channels[0] : NULL;

    if (!channel || strcmp(channel->kind, "file-lock") != 0 || channel->holder_count != 1)
        return;
    wait->peer_pid = channel->holders[0].pid;
    wait->owner = (struct rw_owner){
        .tid = -1, .pid = wait->peer_pid, .certainty = RW_EXACT, .how = "its descriptor has the lock"};
}

void rw_peers_fill(struct rw_incident *incident)
{
    struct work work = {.incident = incident, .scratch = talloc_new(NULL)};
    int rounds = SETTLE_ROUNDS;

    for (size_t i = 0; i < incident->process_count; i++) {
        struct rw_process_info *process = &incident->processes[i];
        for (size_t j = 0; process->is_alive && j < process->thread_count; j++) {
            struct rw_thread *thread = &process->threads[j];
            struct rw_wait_on *wait = thread->waits_on;
            count_blocks(process->pid, thread);
            if (!wait || !thread->is_alive ||
                (wait->channel_count == 0 && rw_wait_kind_of(wait)->ends != RW_ENDS_BY_TIME))
                continue;
            work.wait = wait;
            for (size_t k = 0; k < wait->channel_count; k++)
                follow(&work, process->pid, &wait->channels[k]);
            settle(process->pid, thread, &rounds);
        }
    }
    rw_holders_find(incident, work.questions, work.count);
    for (size_t i = 0; i < work.count; i++)
        name_lock_holder(work.waits[i]);
    for (size_t i = 0; i < work.count; i++)
        let_users_type(incident, work.questions[i].channel);
    doubt_owners(&work);
    talloc_free(work.scratch);
}
