/* SPDX-License-Identifier: MIT */
/*
 * How much processor time the diagnosis takes, and how much memory, for incidents of many threads or
 * processes in the shapes that cost most. Prints a table; ends with 1 if the memory was more than LIMIT_MIB.
 * Times are to be read: what grows with the square takes longer than a test may.
 */
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <talloc.h>
#include <time.h>

#include "tools/diagnosis/diagnosis.h"
#include "tools/incident/model.h"

#define LIMIT_MIB 128.0

static struct rw_thread *add_thread(struct rw_incident *incident, struct rw_process_info *process, int tid)
{
    struct rw_thread *thread = rw_process_thread(incident, process, tid);

    thread->is_alive = true;
    thread->os_state = 'S';
    thread->state = "waiting";
    return thread;
}

static void wait_for(struct rw_incident *incident, struct rw_thread *thread, const char *kind, int owner)
{
    struct rw_wait_on *wait = rw_thread_wait_on(incident, thread);

    wait->kind = kind;
    wait->object = 0x1000 + (unsigned)thread->tid;
    wait->since_ns = incident->now_ns - 5000000000;
    wait->owner.tid = owner;
    wait->owner.certainty = owner > 0 ? RW_EXACT : RW_UNKNOWN;
}

enum shape { RING, CHAIN, CHAIN_BACK, ONE_LOCK, PAIRS, NOBODY, DESTROY, IDLE_ROW, IDLE };
static const char *const shapes[] = {
    "one ring of all",
    "a chain to one that runs",
    "the same, backwards",
    "all want the lock of one",
    "rings of two",
    "all wait, nobody left to signal",
    "one interpreter's end waits for all",
    "a chain to one that serves",
    "all idle",
};

static void threads_of(struct rw_incident *incident, int count, enum shape shape)
{
    struct rw_process_info *process = rw_incident_add_process(incident, 100000);

    process->is_alive = true;
    process->has_handlers = 0;
    for (int i = 0; i < count; i++) {
        struct rw_thread *thread = add_thread(incident, process, 100000 + i);
        int next = i + 1 < count ? i + 1 : 0, before = i ? i - 1 : -1;

        switch (shape) {
        case RING:
            wait_for(incident, thread, "mutex", 100000 + next);
            break;
        case CHAIN:
            wait_for(incident, thread, next ? "mutex" : "read", next ? 100000 + next : -1);
            break;
        case CHAIN_BACK:
            wait_for(incident, thread, i ? "mutex" : "read", i ? 100000 + before : -1);
            break;
        case ONE_LOCK:
            wait_for(incident, thread, i ? "lock" : "read", i ? 100000 : -1);
            break;
        case PAIRS:
            wait_for(incident, thread, "mutex", 100000 + (i ^ 1));
            break;
        case IDLE_ROW:
            wait_for(incident, thread, next ? "mutex" : "accept", next ? 100000 + next : -1);
            break;
        case IDLE:
            wait_for(incident, thread, i ? "queue" : "accept", -1);
            break;
        case NOBODY:
            wait_for(incident, thread, "condition", -1);
            break;
        case DESTROY:
            wait_for(incident, thread, i ? "event" : "semaphore", -1);
            if (i == 0) {
                thread->interpreter_call = "destroy";
                thread->interpreter_call_id = 1;
            } else {
                const struct rw_thread_state_ref ref = {.address = 1 + (unsigned)i, .interpreter = 1};
                rw_thread_add_state(incident, thread, &ref);
            }
            break;
        }
    }
}

/* Each waits for the end of the next one; the last one reads from a terminal, or waits for an event. */
static void processes_of(struct rw_incident *incident, int count, int threads, bool is_stuck)
{
    for (int i = 0; i < count; i++) {
        int pid = 100000 + i * 100;
        struct rw_process_info *process = rw_incident_add_process(incident, pid);
        struct rw_thread *main;

        process->is_alive = true;
        process->has_handlers = 0;
        process->ppid = i ? pid - 100 : 1;
        for (int j = 1; j < threads; j++)
            wait_for(incident, add_thread(incident, process, pid + j), "queue", -1);
        main = add_thread(incident, process, pid);
        if (i + 1 == count) {
            wait_for(incident, main, is_stuck ? "event" : "read", -1);
        } else {
            struct rw_channel *channel;

            wait_for(incident, main, "process", -1);
            channel = rw_wait_add_channel(incident, main->waits_on, "process", "exit");
            channel->state = "alive";
            channel->is_complete = 1;
            rw_channel_add_holder(incident, channel, pid + 100, -1, "next");
        }
    }
}

/* The most memory this process ever had. */
static double peak_mib(void)
{
    struct rusage usage;

    getrusage(RUSAGE_SELF, &usage);
    return (double)usage.ru_maxrss / 1024;
}

static double now_s(void)
{
    struct timespec now;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static bool measure(struct rw_incident *incident, const char *what, int count)
{
    size_t before = talloc_total_size(incident), after;
    double begin = now_s(), took;

    rw_diagnose(incident);
    took = now_s() - begin;
    after = talloc_total_size(incident);
    printf("%6d  %-44s %8.3f s  %7.1f MiB + %6.1f MiB, peak %6.1f MiB  %s\n", count, what, took,
           (double)before / 1048576, (double)(after - before) / 1048576, peak_mib(),
           incident->verdict.class_name);
    talloc_free(incident);
    return peak_mib() <= LIMIT_MIB;
}

static struct rw_incident *fresh(void)
{
    struct rw_incident *incident = rw_incident_new(NULL);

    incident->now_ns = 1000000000000;
    incident->trigger = "no-progress";
    return incident;
}

int main(void)
{
    static const int counts[] = {1000, 10000};
    bool is_good = true;

    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++)
        for (size_t shape = 0; shape < sizeof shapes / sizeof *shapes; shape++) {
            struct rw_incident *incident = fresh();

            threads_of(incident, counts[i], (enum shape)shape);
            is_good = measure(incident, shapes[shape], counts[i]) && is_good;
        }
    for (int threads = 1; threads <= 20; threads += 19)
        for (int is_stuck = 0; is_stuck < 2; is_stuck++) {
            struct rw_incident *incident = fresh();

            processes_of(incident, 500, threads, is_stuck);
            is_good = measure(incident,
                              talloc_asprintf(incident, "processes of %d thread%s in a row%s", threads,
                                              threads == 1 ? "" : "s", is_stuck ? ", stuck" : ""),
                              500) &&
                      is_good;
        }
    return is_good ? 0 : 1;
}
