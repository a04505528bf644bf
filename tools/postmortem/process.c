/* SPDX-License-Identifier: MIT */
/* One process from its recording: how it ended, and the stacks that its threads left. */
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <talloc.h>

#include "tools/incident/model.h"
#include "tools/postmortem/lock_edges.h"
#include "tools/postmortem/postmortem.h"
#include "tools/recording/model.h"
#include "tools/snapshot/code_place.h"
#include "tools/snapshot/image.h"
#include "tools/snapshot/maps.h"
#include "tools/snapshot/misuse_places.h"
#include "tools/snapshot/proc.h"
#include "tools/snapshot/symbols.h"
#include "tools/snapshot/unwind.h"

/* A recording that claims to have lasted longer was scribbled over. */
#define LONGEST_RUN_NS (UINT64_C(400) * 24 * 3600 * 1000000000)

/* A wait with a deadline in a loop is copied at its first turn only, for a while: see rw_slot.capture's
 * writer. */
#define EQUAL_WAIT_NS UINT64_C(1000000000)

static void later(const struct rw_header *header, uint64_t *latest, uint64_t time_ns)
{
    if (time_ns > *latest && time_ns - header->created_ns < LONGEST_RUN_NS)
        *latest = time_ns;
}

uint64_t rw_recording_latest_ns(struct rw_reader *reader)
{
    const struct rw_header *header = rw_reader_header(reader);
    uint64_t latest = header->created_ns;
    const uint64_t milestones[] = {header->monitor_seen_ns,   header->main_returned_ns, header->exit_begin_ns,
                                   header->finalize_begin_ns, header->finalize_end_ns,  header->exec_ns,
                                   header->test_last_end_ns};
    for (size_t i = 0; i < sizeof(milestones) / sizeof(milestones[0]); i++)
        later(header, &latest, milestones[i]);
    struct rw_test test;
    if (rw_reader_current_test(reader, &test) == 0)
        later(header, &latest, test.phase_ns);
    for (unsigned i = 0; i < header->slot_used; i++) {
        struct rw_slot slot;
        struct rw_history history;
        if (rw_reader_slot(reader, i, &slot) != 0)
            continue;
        later(header, &latest, slot.since_ns);
        if (rw_reader_history(reader, i, &slot, &history) != 0)
            continue;
        for (size_t event = 0; event < history.count; event++) {
            later(header, &latest, history.events[event].time_ns);
            later(header, &latest, history.events[event].end_ns);
        }
    }
    return latest;
}

/* Whether the thread that began to exit was seen to wait after that: then the exit is what it hung in. */
static bool is_stuck_in_exit(struct rw_reader *reader)
{
    const struct rw_header *header = rw_reader_header(reader);
    if (header->finalize_begin_ns > header->exit_begin_ns && header->finalize_end_ns == 0)
        return true;
    for (unsigned i = 0; i < header->slot_used; i++) {
        struct rw_slot slot;
        int error = rw_reader_slot(reader, i, &slot);
        if ((error == 0 || error == -EAGAIN) && slot.tid == header->exit_tid &&
            slot.state == RW_THREAD_WAITING)
            return true;
    }
    return false;
}

/* Whether the recorded process still runs. That some process has its number is not enough, here or on the
 * machine that the recording was brought to: it must have the file mapped, where we may look. */
static bool is_running(struct rw_reader *reader, void *scratch)
{
    const struct rw_header *header = rw_reader_header(reader);
    struct stat status;
    struct rw_maps *maps;
    if (!rw_proc_alive(header->pid, header->created_boottime_ns))
        return false;
    if (stat(rw_reader_path(reader), &status) != 0)
        return false;
    int error = rw_maps_live(scratch, header->pid, &maps);
    if (error != 0)
        return error != -ESRCH;
    const char *name = strrchr(rw_reader_path(reader), '/');
    for (size_t i = 0; i < maps->count; i++) {
        const struct rw_mapping *mapping = &maps->items[i];
        if (!mapping->shared || mapping->path == NULL)
            continue;
        /* On an overlay the two numbers of one file can differ; its name holds pid and time. */
        const char *slash = strrchr(mapping->path, '/');
        if (mapping->inode == status.st_ino || (name != NULL && slash != NULL && strcmp(name, slash) == 0))
            return true;
    }
    return false;
}

enum end { RUNS, KILLED, STUCK_IN_EXIT, EXITED, EXECUTED };

static enum end end_of(struct rw_reader *reader, void *scratch)
{
    const struct rw_header *header = rw_reader_header(reader);
    if (is_running(reader, scratch))
        return RUNS;
    if (header->exec_ns != 0)
        return EXECUTED;
    if (header->exit_begin_ns == 0)
        return KILLED;
    return is_stuck_in_exit(reader) ? STUCK_IN_EXIT : EXITED;
}

static void tell_end(struct rw_incident *incident, struct rw_process_info *process,
                     const struct rw_header *header, enum end end)
{
    switch (end) {
    case RUNS:
        rw_process_note(incident, process,
                        "it still runs: a look at the process itself tells more (racewatch dump %d)",
                        process->pid);
        break;
    case KILLED:
        rw_process_note(incident, process, "it was killed or crashed: no exit was begun");
        break;
    case STUCK_IN_EXIT:
        rw_process_note(incident, process,
                        "it had begun to exit (status %" PRId32
                        ") and waited for something when it was last heard of: it was "
                        "killed while it ended",
                        header->exit_status);
        break;
    case EXITED:
        rw_process_note(incident, process, "it ended in order, with exit status %" PRId32,
                        header->exit_status);
        break;
    case EXECUTED:
        rw_process_note(incident, process, "it executed another program, which was not recorded");
        break;
    }
}

/* Why the stack copy is not the stack of the thread as it is now; NULL if it is. *note: what there is to say
 * if it is. */
static const char *unfit(const struct rw_slot *slot, const struct rw_capture *capture, const char **note)
{
    *note = NULL;
    if (slot->state != RW_THREAD_WAITING && capture->by != RW_CAPTURE_HANDLER)
        return "it was not waiting when it was last heard of, and its last stack copy is older than that";
    if (capture->time_ns > slot->since_ns && capture->by != RW_CAPTURE_HANDLER)
        return "its last stack copy is of another wait, inside a signal handler";
    if (capture->time_ns < slot->since_ns && slot->state != RW_THREAD_WAITING)
        return "its last stack copy is older than what it did last";
    if (capture->time_ns < slot->since_ns) {
        if (!(slot->wait.flags & RW_WAIT_HAS_DEADLINE) || slot->since_ns - capture->time_ns > EQUAL_WAIT_NS)
            return "its last stack copy is of an earlier wait";
        *note = "copied at an equal wait in the same place, shortly before";
    }
    return NULL;
}

static void add_bare_frame(struct rw_incident *incident, struct rw_thread *thread, uint64_t pc)
{
    const struct rw_frame frame = {.pc = pc};
    if (pc != 0)
        rw_add_frame(incident, thread, &frame);
}

static const char *joined_notes(struct rw_incident *incident, const char *first, const char *second)
{
    if (first == NULL || second == NULL)
        return first != NULL ? first : second;
    return talloc_asprintf(incident, "%s; %s", first, second);
}

/* Unwinds the stack that the slot's thread left, where it is known to be its last one. */
static void fill_stack(struct rw_incident *incident, struct rw_thread *thread, struct rw_reader *reader,
                       unsigned index, const struct rw_slot *slot, struct rw_image *image)
{
    struct rw_capture capture;
    uint8_t stack[RW_STACK_MAX];
    const char *note = NULL;
    thread->stack_source = "none";
    int error = rw_reader_capture(reader, index, &capture, stack);
    if (error == -ENOENT) {
        thread->stack_note = slot->state == RW_THREAD_WAITING
                                 ? "no copy of its stack is in the recording"
                                 : "it was not waiting: a recording has stacks of waiting threads";
        return;
    }
    if (error != 0) {
        thread->stack_note = "the copy of its stack in the recording is not whole";
        return;
    }
    thread->stack_note = unfit(slot, &capture, &note);
    if (thread->stack_note != NULL)
        return;
    thread->stack_source = "recording";
    if (image == NULL) {
        add_bare_frame(incident, thread, slot->wait.return_address);
        thread->stack_note = "without the map of its memory its stack cannot be unwound";
        return;
    }
    struct rw_stack copy;
    rw_stack_from_capture(&capture, stack, &copy);
    const char *unwind_note = NULL;
    struct rw_frame *frames = NULL;
    size_t count = 0;
    error = rw_unwind(image, &copy, incident, &frames, &count, &unwind_note);
    if (error == 0) {
        thread->native = frames;
        thread->native_count = count;
    } else {
        unwind_note = "it could not be unwound";
    }
    if (!capture.stack_whole && unwind_note == NULL)
        unwind_note = "the copy holds the innermost part of the stack only";
    thread->stack_note = joined_notes(incident, note, unwind_note);
}

static void fill_stacks(struct rw_incident *incident, struct rw_process_info *process,
                        struct rw_reader *reader, struct rw_image *image)
{
    for (unsigned i = 0; i < rw_reader_header(reader)->slot_used; i++) {
        struct rw_slot slot;
        int error = rw_reader_slot(reader, i, &slot);
        if ((error != 0 && error != -EAGAIN) || slot.tid <= 0 || slot.state < RW_THREAD_RUNNING ||
            slot.state > RW_THREAD_EXITED)
            continue;
        struct rw_thread *thread = rw_process_find_thread(process, slot.tid);
        if (thread == NULL || thread->pthread != slot.pthread || thread->native != NULL)
            continue;
        if (slot.state == RW_THREAD_EXITED) {
            thread->stack_source = "none";
            thread->stack_note = "it had ended";
            continue;
        }
        fill_stack(incident, thread, reader, i, &slot, image);
    }
}

/* Gives what is waited for the name of the variable that it is, where it is one. */
static void name_objects(struct rw_incident *incident, struct rw_process_info *process,
                         struct rw_image *image)
{
    for (size_t i = 0; i < process->thread_count; i++) {
        struct rw_wait_on *on = process->threads[i].waits_on;
        const char *variable, *module;
        if (on == NULL || on->object == 0 || strcmp(on->kind, "join") == 0)
            continue;
        if (rw_symbols_data(image->symbols, on->object, incident, &variable, &module) == 0 &&
            variable != NULL)
            on->name = talloc_asprintf(incident, "%s %s", on->kind, variable);
    }
}

/* What lies in memory that other processes may have, too, is theirs to let go of as well. */
static void find_shared(struct rw_incident *incident, struct rw_process_info *process,
                        const struct rw_image *image)
{
    for (size_t i = 0; i < process->thread_count; i++) {
        struct rw_wait_on *on = process->threads[i].waits_on;
        const struct rw_mapping *mapping =
            on != NULL && strcmp(on->kind, "join") != 0 ? rw_maps_find(image->maps, on->object) : NULL;
        if (mapping == NULL || !mapping->shared)
            continue;
        struct rw_channel *channel = rw_wait_add_channel(incident, on, "memory", "post");
        channel->inode = mapping->inode;
        channel->name = "shared memory";
    }
}

/* The maps saved beside the recording; NULL where there are none. *note: what there is to say about that. */
static struct rw_image *open_image(int pid, const char *path, void *parent, const char **note)
{
    static const char suffix[] = ".rec";
    size_t length = strlen(path);
    if (length >= sizeof(suffix) - 1 && strcmp(path + length - (sizeof(suffix) - 1), suffix) == 0)
        length -= sizeof(suffix) - 1;
    char *maps = talloc_asprintf(parent, "%.*s.maps", (int)length, path);
    struct rw_image *image = NULL;
    int error = maps != NULL ? rw_image_saved(parent, pid, maps, &image) : -ENOMEM;
    if (error == -ENOENT)
        *note = "no map of its memory was saved: its code addresses have no names";
    else if (error != 0)
        *note = talloc_asprintf(
            parent, "the saved map of its memory cannot be read (%s): its code addresses have no names",
            strerror(-error));
    else
        *note = image->note;
    return error == 0 ? image : NULL;
}

static bool has_python(const struct rw_header *header)
{
    for (unsigned i = 0; i < RW_HOOK_COUNT; i++) {
        if (header->hooks[i] != RW_HOOK_ABSENT)
            return true;
    }
    return false;
}

int rw_postmortem_process(struct rw_incident *incident, struct rw_process_info *process,
                          struct rw_reader *reader, bool *has_ended)
{
    void *scratch = talloc_new(NULL);
    if (scratch == NULL)
        return -ENOMEM;
    enum end end = end_of(reader, scratch);
    bool is_over = end == EXITED || end == EXECUTED;
    *has_ended = is_over;
    const char *why_bare = NULL;
    struct rw_image *image = open_image(process->pid, rw_reader_path(reader), scratch, &why_bare);
    int error = rw_recording_fill(incident, process, reader, image != NULL ? rw_code_describe : NULL,
                                  image != NULL ? image->symbols : NULL);
    const struct rw_header *header = rw_reader_header(reader);
    process->is_alive = end == RUNS;
    tell_end(incident, process, header, end);
    if (is_over)
        process->thread_count = 0; /* what its threads were at is over; their history is the process's */
    else
        fill_stacks(incident, process, reader, image);
    if (process->thread_count > 0 && why_bare != NULL)
        rw_process_note(incident, process, "%s", why_bare);
    if (image != NULL) {
        name_objects(incident, process, image);
        find_shared(incident, process, image);
        rw_fill_misuse_places(incident, process, image->symbols);
    }
    rw_fill_lock_edges(incident, process, reader, image);
    for (size_t i = 0; i < process->thread_count && end != RUNS; i++)
        process->threads[i].is_alive = false;
    if (process->thread_count > 0 && has_python(header))
        rw_process_note(incident, process,
                        "a recording holds no Python frames and no owners of Python's locks");
    talloc_free(scratch);
    return error;
}
