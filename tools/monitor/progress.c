/* SPDX-License-Identifier: MIT */
#include "tools/monitor/progress.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#include <talloc.h>

#include "tools/recording/reader.h"
#include "tools/snapshot/proc.h"

/* A thread that waits for the GIL, or polls with a time-out, costs a little for ever: per second, for the
 * process and for each such thread. Measured: the GIL's 5 ms loop takes 2-4 ms a second. */
#define NOISE_NS_PER_S 5000000u
#define NOISE_NS_PER_POLLER_S 5000000u
#define CPU_WINDOW_NS 1000000000u

bool rw_is_blocked(const struct rw_slot_view *view)
{
    return view->state == RW_THREAD_WAITING && (view->wait.flags & RW_WAIT_HAS_DEADLINE) == 0;
}

bool rw_is_halted(int pid)
{
    struct rw_proc_status status;
    struct rw_thread_times times;
    return (rw_proc_status(pid, pid, &status) == 0 && status.tracer_pid != 0) ||
           (rw_proc_thread(pid, pid, &times, NULL) == 0 && (times.state == 'T' || times.state == 't'));
}

/* The CPU clock of another process; see clock_getcpuclockid(3). One system call, and in nanoseconds. */
static uint64_t process_cpu_ns(int pid)
{
    clockid_t clock;
    struct timespec used;
    if (clock_getcpuclockid(pid, &clock) != 0 || clock_gettime(clock, &used) != 0)
        return 0;
    return (uint64_t)used.tv_sec * 1000000000u + (uint64_t)used.tv_nsec;
}

static bool same_wait(const struct rw_wait *a, const struct rw_wait *b)
{
    return a->kind == b->kind && a->object == b->object && a->return_address == b->return_address;
}

/* Whether the thread got anywhere since the last look. Waiting with a time-out for the same thing again and
 * again is no progress: it is what the GIL's waiters and every polling loop do. */
static bool update_slot(struct rw_slot_view *view, const struct rw_slot *slot)
{
    if (view->generation != slot->generation || view->tid != slot->tid) {
        memset(view, 0, sizeof(*view));
        view->wait = slot->wait;
    } else if (view->transitions == slot->transitions && view->state == slot->state) {
        view->call = slot->interpreter_call;
        return false;
    }
    bool is_waiting = slot->state == RW_THREAD_WAITING;
    bool repeats = view->generation == slot->generation &&
                   (!is_waiting || ((slot->wait.flags & RW_WAIT_HAS_DEADLINE) != 0 &&
                                    same_wait(&view->wait, &slot->wait))) &&
                   (view->wait.flags & RW_WAIT_HAS_DEADLINE) != 0;
    view->generation = slot->generation;
    view->tid = slot->tid;
    view->pthread = slot->pthread;
    view->state = slot->state;
    view->since_ns = slot->since_ns;
    view->transitions = slot->transitions;
    view->call = slot->interpreter_call;
    if (is_waiting)
        view->wait = slot->wait;
    return !repeats;
}

static bool update_slots(struct rw_watched *watched, unsigned used)
{
    bool has_moved = false;
    if (used > watched->slot_count) {
        watched->slots = talloc_realloc(watched, watched->slots, struct rw_slot_view, used);
        memset(watched->slots + watched->slot_count, 0,
               (used - watched->slot_count) * sizeof(*watched->slots));
        watched->slot_count = used;
    }
    for (unsigned i = 0; i < used; i++) {
        struct rw_slot slot;
        int error = rw_reader_slot(watched->reader, i, &slot);
        if (error == 0)
            has_moved |= update_slot(&watched->slots[i], &slot);
        else if (error == -ENOENT)
            memset(&watched->slots[i], 0, sizeof(watched->slots[i]));
        else if (error == -EAGAIN)
            has_moved = true; /* it is being written */
    }
    return has_moved;
}

static bool update_cpu(struct rw_watched *watched, uint64_t now_ns)
{
    if (now_ns - watched->cpu_from_ns < CPU_WINDOW_NS)
        return false;
    uint64_t used = process_cpu_ns(watched->pid), pollers = 0;
    for (size_t i = 0; i < watched->slot_count; i++)
        pollers += (watched->slots[i].wait.flags & RW_WAIT_HAS_DEADLINE) != 0;
    uint64_t noise = (NOISE_NS_PER_S + pollers * NOISE_NS_PER_POLLER_S) / 1000 *
                     ((now_ns - watched->cpu_from_ns) / 1000000);
    bool has_moved = used > watched->cpu_ns + noise;
    watched->cpu_ns = used;
    watched->cpu_from_ns = now_ns;
    return has_moved;
}

int rw_progress_update(struct rw_watched *watched, uint64_t now_ns)
{
    if (watched->reader == NULL)
        return -EAGAIN;
    int error = rw_reader_refresh(watched->reader);
    if (error != 0)
        return error;
    const struct rw_header *header = rw_reader_header(watched->reader);
    bool has_moved = watched->progress != header->progress;
    watched->progress = header->progress;
    has_moved |= update_slots(watched, header->slot_used);
    has_moved |= update_cpu(watched, now_ns);
    uint64_t test = watched->test.number;
    uint32_t phase = watched->test.phase;
    if (rw_reader_current_test(watched->reader, &watched->test) != 0)
        memset(&watched->test, 0, sizeof(watched->test));
    has_moved |= test != watched->test.number || phase != watched->test.phase;
    if (has_moved)
        watched->moved_ns = now_ns;
    return 0;
}

void rw_progress_skip(struct rw_watched *watched, uint64_t from_ns, uint64_t now_ns)
{
    watched->moved_ns += now_ns - from_ns;
    if (watched->moved_ns > now_ns)
        watched->moved_ns = now_ns;
    watched->cpu_ns = process_cpu_ns(watched->pid);
    watched->cpu_from_ns = now_ns;
}
