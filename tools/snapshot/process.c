/* SPDX-License-Identifier: MIT */
#include "tools/snapshot/process.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <talloc.h>

#include "tools/basics/paths.h"
#include "tools/incident/model.h"
#include "tools/recording/reader.h"
#include "tools/snapshot/owner_by_stack.h"
#include "tools/snapshot/target.h"
#include "tools/snapshot/waits.h"

/* Looks at the list of threads until it shows no new one; a program that makes them faster than this is told
 * of. */
#define ROUNDS_MAX 5
/* How long threads that were let go may take, all together, to be back in their calls on a machine that is
 * busy. */
#define BACK_PATIENCE_MS 500

/* Signals whose handlers do no work of the program's: those that tell of a fault; SIGINT, which Python always
 * catches; SIGPIPE; glibc's own two; the one that racewatch may have installed. */
static uint64_t not_for_work(const struct rw_look *look)
{
    static const int signals[] = {SIGINT,  SIGILL,  SIGTRAP, SIGABRT, SIGBUS, SIGFPE,
                                  SIGSEGV, SIGPIPE, SIGSYS,  32,      33};
    uint64_t mask = 0;

    for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
        mask |= UINT64_C(1) << (signals[i] - 1);
    int own = look->reader ? rw_reader_header(look->reader)->capture_signal : 0;
    return own > 0 && own <= 64 ? mask | UINT64_C(1) << (own - 1) : mask;
}

/* Some thread lets one of these signals through: who runs the handler of one blocks it meanwhile, and in a
 * process of that thread alone it can come to nobody. */
static bool can_be_delivered(int pid, uint64_t signals)
{
    struct rw_proc_status status;
    uint64_t blocked = signals;
    size_t count;
    int *tids;

    if (signals == 0)
        return false;
    if (rw_proc_threads(NULL, pid, &tids, &count) < 0)
        return true;
    for (size_t i = 0; i < count && blocked == signals; i++)
        blocked &= rw_proc_status(pid, tids[i], &status) == 0 ? status.blocked : 0;
    talloc_free(tids);
    return blocked != signals;
}

static void fill_identity(struct rw_look *look)
{
    struct rw_process_info *process = look->process;
    struct rw_proc_status status;
    const char *text;
    int tid = rw_proc_living_thread(process->pid);

    process->is_alive = true;
    look->is_elsewhere = rw_proc_is_elsewhere(process->pid);
    if (tid > 0 && rw_proc_status(process->pid, tid, &status) == 0) {
        process->ppid = status.ppid;
        look->tracer_pid = status.tracer_pid;
        process->has_handlers = can_be_delivered(process->pid, status.caught & ~not_for_work(look));
    }
    if (rw_proc_executable(look->incident, process->pid, &text) == 0) {
        process->executable = text;
        process->name = talloc_strdup(look->incident, rw_base_name(text));
    }
    for (size_t i = 0; process->executable && i < look->image->maps->count; i++) {
        const struct rw_mapping *mapping = &look->image->maps->items[i];
        if (mapping->is_deleted && mapping->path && strcmp(mapping->path, process->executable) == 0) {
            rw_process_note(look->incident, process,
                            "its executable was deleted or replaced while it ran: lines are of the old one");
            break;
        }
    }
    if (rw_proc_command(look->incident, process->pid, &text) == 0)
        process->command = text;
    if (look->image->note)
        rw_process_note(look->incident, process, "%s", look->image->note);
}

static int compare_tids(const void *a, const void *b)
{
    int left = (*(struct rw_target *const *)a)->tid, right = (*(struct rw_target *const *)b)->tid;
    return (left > right) - (left < right);
}

/* Makes find_target() know all targets that there are now. */
static int index_targets(struct rw_look *look)
{
    struct rw_target **sorted =
        talloc_realloc(look->scratch, look->by_tid, struct rw_target *, look->count + 1);
    if (!sorted)
        return -ENOMEM;
    memcpy(sorted, look->targets, look->count * sizeof *sorted);
    qsort(sorted, look->count, sizeof *sorted, compare_tids);
    look->by_tid = sorted;
    look->by_tid_count = look->count;
    return 0;
}

static struct rw_target *find_target(const struct rw_look *look, int tid)
{
    const struct rw_target wanted = {.tid = tid}, *key = &wanted;
    struct rw_target **found = look->by_tid_count ? bsearch(&key, look->by_tid, look->by_tid_count,
                                                            sizeof *look->by_tid, compare_tids)
                                                  : NULL;
    return found ? *found : NULL;
}

/* Adds the threads that are not in the list yet. Returns how many, or a negative errno. */
static int add_threads(struct rw_look *look)
{
    int *tids, added = 0;
    size_t count;

    int result = rw_proc_threads(look->scratch, look->process->pid, &tids, &count);
    if (result < 0)
        return result;
    struct rw_target **grown =
        talloc_realloc(look->scratch, look->targets, struct rw_target *, look->count + count);
    if (!grown) {
        talloc_free(tids);
        return -ENOMEM;
    }
    look->targets = grown;
    for (size_t i = 0; i < count; i++) {
        if (find_target(look, tids[i]))
            continue;
        struct rw_target *target = talloc_zero(look->scratch, struct rw_target);
        if (!target) {
            talloc_free(tids);
            return -ENOMEM;
        }
        target->tid = tids[i];
        if (rw_proc_thread(look->process->pid, target->tid, &target->times, target->comm) < 0) {
            talloc_free(target);
            continue;
        }
        struct rw_proc_status status;
        target->blocks =
            target->times.state == 'R' && rw_proc_status(look->process->pid, target->tid, &status) == 0
                ? status.blocks
                : -1;
        target->call_error = rw_proc_syscall(look->process->pid, target->tid, &target->call);
        look->targets[look->count++] = target;
        added++;
    }
    talloc_free(tids);
    result = index_targets(look);
    return result < 0 ? result : added;
}

static int collect(struct rw_look *look)
{
    int added = 0;

    for (int round = 0; round < ROUNDS_MAX; round++) {
        size_t first = look->count;
        added = add_threads(look);
        if (added < 0 && look->count == 0)
            return added;
        if (added <= 0)
            return 0;
        if (look->options.native)
            rw_stacks_copy(look, first);
    }
    rw_process_note(
        look->incident, look->process,
        "threads were still being created after %d looks at the list of threads: some may be missing",
        ROUNDS_MAX);
    return 0;
}

/* Finds each target's slot in the recording. */
static void find_slots(struct rw_look *look)
{
    if (!look->reader || rw_reader_refresh(look->reader) < 0)
        return;
    unsigned used = rw_reader_header(look->reader)->slot_used;
    struct rw_slot slot;
    for (unsigned index = 0; index < used; index++) {
        if (rw_reader_slot(look->reader, index, &slot) < 0 || slot.tid <= 0 || slot.state < RW_THREAD_NEW ||
            slot.state > RW_THREAD_EXITED)
            continue;
        struct rw_target *target = find_target(look, slot.tid);
        if (!target || (target->has_slot && target->slot.created_ns > slot.created_ns))
            continue;
        target->has_slot = true;
        target->slot_index = index;
        target->slot = slot;
    }
}

static void fill_thread(struct rw_look *look, const struct rw_target *target)
{
    struct rw_thread *thread = rw_process_thread(look->incident, look->process, target->tid);

    struct rw_proc_status status;

    if (look->is_elsewhere)
        thread->own_tid = rw_proc_status(look->process->pid, target->tid, &status) == 0 && status.own_tid > 0
                              ? status.own_tid
                              : -1;
    thread->is_alive = !rw_target_is_gone(target) && !(target->has_copy && target->copy.error == -ESRCH);
    thread->is_main = target->tid == look->process->pid;
    thread->os_state = target->times.state;
    /* Kept finer than clock ticks where the kernel does. */
    thread->cpu_s = target->times.cpu_ns ? (double)target->times.cpu_ns / 1e9 : target->times.cpu_s;
    if (target->times.cpu_ns)
        thread->queued_s = (double)target->times.queued_ns / 1e9;
    if (target->times.switches || target->times.cpu_ns)
        thread->switches_before = (int64_t)target->times.switches;
    thread->blocks_before = target->blocks;
    thread->comm = talloc_strdup(look->incident, target->comm);
    if (!thread->name || !thread->name[0])
        thread->name = thread->comm;
    if (!thread->state)
        thread->state = "unrecorded";
}

/* What the recording believes alive and the kernel does not list is gone. */
static void bury(struct rw_look *look)
{
    for (size_t i = 0; i < look->process->thread_count; i++) {
        struct rw_thread *thread = &look->process->threads[i];
        if (thread->tid <= 0 || find_target(look, thread->tid))
            continue;
        thread->is_alive = false;
        talloc_free(thread->waits_on);
        thread->waits_on = NULL;
    }
}

static void fill_waits(struct rw_look *look)
{
    unsigned patience_ms = BACK_PATIENCE_MS;
    struct rw_wait_look wait = {look->incident, look->process, look->image, look->reader, &patience_ms};

    for (size_t i = 0; i < look->count; i++) {
        const struct rw_target *target = look->targets[i];
        struct rw_thread *thread = rw_process_find_thread(look->process, target->tid);
        /* What the registers said belongs to the stack that was copied; /proc was read a little before. */
        bool has_registers = target->has_copy && target->copy.error == 0;
        if (!thread->is_alive) {
            talloc_free(thread->waits_on);
            thread->waits_on = NULL;
        } else if (has_registers || target->call_error == 0)
            rw_wait_fill(&wait, thread, has_registers ? &target->copy.call : &target->call,
                         target->has_slot ? &target->slot : NULL);
        /* Else the recording's word stands alone. */
    }
    rw_owners_by_stack(&wait);
}

static void fill_notes(struct rw_look *look)
{
    size_t refused = 0;
    char comm[RW_COMM_MAX];

    for (size_t i = 0; i < look->count; i++)
        refused += look->targets[i]->has_copy && look->targets[i]->copy.error == -EPERM;
    if (refused == 0)
        return;
    if (look->tracer_pid > 0)
        rw_process_note(
            look->incident, look->process, "%s (process %d) traces the process, so it could not be stopped",
            rw_proc_comm(look->tracer_pid, comm) == 0 ? comm : "another program", look->tracer_pid);
    else
        rw_process_note(
            look->incident, look->process,
            "tracing was refused for %zu of %zu threads; each thread says where its stack is from", refused,
            look->count);
}

int rw_snapshot_process(struct rw_incident *incident, struct rw_process_info *process, struct rw_image *image,
                        struct rw_reader *reader, const struct rw_snapshot_options *options)
{
    struct rw_look look = {
        .incident = incident,
        .process = process,
        .image = image,
        .reader = reader,
        .options = options ? *options : RW_SNAPSHOT_OPTIONS_DEFAULT,
    };

    if (rw_proc_living_thread(process->pid) < 0) {
        process->is_alive = false;
        return -ESRCH;
    }
    look.scratch = talloc_new(NULL);
    if (!look.scratch)
        return -ENOMEM;
    fill_identity(&look);
    int result = collect(&look);
    if (result == 0) {
        find_slots(&look);
        for (size_t i = 0; i < look.count; i++)
            fill_thread(&look, look.targets[i]);
        bury(&look);
        if (look.options.native)
            rw_stacks_fill(&look);
        fill_waits(&look);
        fill_notes(&look);
    } else if (result == -ESRCH)
        process->is_alive = false;
    for (size_t i = 0; i < look.count; i++)
        rw_copies_free(&look.targets[i]->copy, 1);
    talloc_free(look.scratch);
    return result;
}
