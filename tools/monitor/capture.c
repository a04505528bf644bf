/* SPDX-License-Identifier: MIT */
#include "tools/monitor/capture.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <talloc.h>

#include "tools/basics/clock.h"
#include "tools/cpython/cpython.h"
#include "tools/diagnosis/diagnosis.h"
#include "tools/incident/accounts.h"
#include "tools/incident/fold.h"
#include "tools/incident/inherited.h"
#include "tools/incident/model.h"
#include "tools/incident/packed.h"
#include "tools/monitor/deltas.h"
#include "tools/monitor/failures.h"
#include "tools/postmortem/postmortem.h"
#include "tools/recording/model.h"
#include "tools/recording/reader.h"
#include "tools/snapshot/code_place.h"
#include "tools/snapshot/image.h"
#include "tools/snapshot/left_open.h"
#include "tools/snapshot/misuse_places.h"
#include "tools/snapshot/peers.h"
#include "tools/snapshot/proc.h"
#include "tools/snapshot/process.h"
#include "tools/snapshot/shared_places.h"

/* A child that its parent has forgotten still ends. */
#define CHILD_SECONDS_MAX 60

static void add_gone(struct rw_incident *incident, const struct rw_capture_target *target)
{
    struct rw_process_info *process = rw_incident_add_process(incident, target->pid);
    bool has_ended;
    if (rw_postmortem_process(incident, process, target->reader, &has_ended) != 0)
        rw_process_note(incident, process, "its recording cannot be read");
    process->is_alive = false;
}

/* That the thread which dies waits for the monitor is nobody's affair. */
static void forget_wait_for_look(struct rw_process_info *process)
{
    struct rw_thread *thread =
        process->crash != NULL ? rw_process_find_thread(process, process->crash->tid) : NULL;
    if (thread != NULL)
        thread->waits_on = NULL;
}

/* Of one whose handler could not run the recording knows no crash. */
static void add_crash(struct rw_incident *incident, struct rw_process_info *process, int signal)
{
    if (signal == 0 || process->crash != NULL)
        return;
    process->crash = talloc_zero(incident, struct rw_crash);
    process->crash->signal = signal;
    rw_crash_name(incident, process->crash);
}

/* `image` is NULL where nothing of the process itself is to be read. */
static void fill_living(struct rw_incident *incident, const struct rw_capture_plan *plan,
                        const struct rw_capture_target *target, struct rw_image *image)
{
    struct rw_process_info *process = rw_incident_find_process(incident, target->pid);
    if (target->reader != NULL &&
        rw_recording_fill(incident, process, target->reader, image != NULL ? rw_code_describe : NULL,
                          image != NULL ? image->symbols : NULL) != 0)
        rw_process_note(incident, process, "its recording cannot be read");
    if (image == NULL)
        return;
    rw_fill_misuse_places(incident, process, image->symbols);
    struct rw_snapshot_options options = RW_SNAPSHOT_OPTIONS_DEFAULT;
    options.native = plan->native;
    int error = rw_snapshot_process(incident, process, image, target->reader, &options);
    if (error != 0) {
        rw_process_note(incident, process, "it could not be looked at: %s", strerror(-error));
        return;
    }
    if (plan->python)
        rw_cpython_inspect(incident, process, image, target->reader);
    for (size_t i = 0; i < process->test_count; i++)
        rw_left_open_check(process->pid, &process->tests[i]);
    rw_process_drop_empty_accounts(process);
    forget_wait_for_look(process);
}

/* Whether the process has its recording mapped: after an exec it may be another program's by now. */
static bool is_current(const struct rw_capture_target *target, const struct rw_image *image)
{
    const char *path = rw_reader_path(target->reader);
    return image != NULL && image->note == NULL ? rw_maps_share(image->maps, path)
                                                : rw_maps_live_share(target->pid, path);
}

/* The image goes again: what it holds of a process is much, and the next one wants room too. */
static void add_living(struct rw_incident *incident, const struct rw_capture_plan *plan,
                       const struct rw_capture_target *target, struct rw_shared_places *places)
{
    struct rw_image *image = NULL;
    int error = plan->recordings_only ? 0 : rw_image_open(NULL, target->pid, target->saved_maps, &image);
    bool has_ended = error == -ESRCH || (image != NULL && image->maps->count == 0 && image->note == NULL);
    if (has_ended &&
        target->reader != NULL) { /* since it was chosen: its recording and the maps saved beside it remain */
        talloc_free(image);
        add_gone(incident, target);
        return;
    }
    struct rw_process_info *process = rw_incident_add_process(incident, target->pid);
    if (image != NULL)
        rw_symbols_share(image->symbols, places);
    struct rw_capture_target current = *target;
    if (target->reader != NULL && !is_current(target, image))
        current.reader = NULL;
    fill_living(incident, plan, &current, image);
    if (image == NULL)
        process->is_alive = error == 0;
    if (error != 0)
        rw_process_note(incident, process, "it could not be looked at: %s", strerror(-error));
    if (target->is_elsewhere)
        rw_process_note(
            incident, process,
            "it is in another PID namespace: what its recording tells of its threads is left out");
    talloc_free(image);
}

struct rw_incident *rw_capture_now(void *parent, const struct rw_capture_plan *plan)
{
    struct rw_incident *incident = rw_incident_new(parent);
    struct rw_shared_places *places = rw_shared_places_new(incident); /* frames have its strings */
    incident->now_ns = rw_now_ns();
    incident->realtime_s = rw_realtime_s();
    incident->version = RW_VERSION;
    incident->trigger = talloc_strdup(incident, plan->trigger);
    incident->trigger_detail = talloc_strdup(incident, plan->trigger_detail);
    incident->command = talloc_strdup(incident, plan->command);
    for (size_t i = 0; i < plan->target_count; i++) {
        const struct rw_capture_target *target = &plan->targets[i];
        if (target->is_gone)
            add_gone(incident, target);
        else
            add_living(incident, plan, target, places);
        if (i == 0)
            add_crash(incident, rw_incident_find_process(incident, target->pid), plan->signal);
    }
    rw_postmortem_find_owners(incident, NULL);
    rw_find_inherited_owners(incident);
    if (!plan->recordings_only)
        rw_peers_fill(incident);
    if (incident->test == NULL && incident->process_count > 0)
        incident->test = incident->processes[0].test;
    if (plan->previous != NULL)
        rw_fill_deltas(incident, plan->previous);
    rw_failures_fill(plan->failures, incident);
    rw_incident_complete_names(incident);
    rw_accounts_complete(incident);
    rw_diagnose(incident);
    rw_incident_fold(incident);
    incident->took_ms = (double)(rw_now_ns() - incident->now_ns) / 1e6;
    return incident;
}

struct rw_capture_child {
    pid_t pid;
    int end;    /* of a pipe whose other end goes with the child: no descriptor of the child itself, which a
                   filter or an    old kernel may refuse */
    int memory; /* what it has to say: an incident, packed */
    bool is_stopped;
};

static int destroy(struct rw_capture_child *child)
{
    if (child->pid > 0) {
        kill(child->pid, SIGKILL);
        while (waitpid(child->pid, NULL, 0) < 0 && errno == EINTR)
            ;
    }
    if (child->end >= 0)
        close(child->end);
    if (child->memory >= 0)
        close(child->memory);
    return 0;
}

static void child_main(const struct rw_capture_plan *plan, int memory)
{
    /* Alone, it is nobody's to signal but its parent's; and a monitor that is killed takes it along. */
    static const int defaults[] = {SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGPIPE, SIGALRM};
    for (size_t i = 0; i < sizeof(defaults) / sizeof(defaults[0]); i++)
        signal(defaults[i], defaults[i] == SIGINT || defaults[i] == SIGQUIT ? SIG_IGN : SIG_DFL);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    struct rlimit no_core = {0, 0};
    setrlimit(RLIMIT_CORE, &no_core);
    alarm(CHILD_SECONDS_MAX);
    struct rw_incident *incident = plan->look != NULL ? plan->look(NULL, plan) : rw_capture_now(NULL, plan);
    FILE *file = fdopen(memory, "w");
    bool is_written = file != NULL && rw_incident_pack(incident, file) == 0;
    _exit(is_written ? 0 : 1);
}

struct rw_capture_child *rw_capture_start(void *parent, const struct rw_capture_plan *plan)
{
    struct rw_capture_child *child = talloc_zero(parent, struct rw_capture_child);
    int ends[2] = {-1, -1};
    child->end = -1;
    child->memory = memfd_create("racewatch-look", MFD_CLOEXEC);
    talloc_set_destructor(child, destroy);
    bool is_ready = child->memory >= 0 && pipe2(ends, O_CLOEXEC) == 0;
    child->end = ends[0];
    child->pid = is_ready ? fork() : -1;
    if (child->pid == 0)
        child_main(plan, child->memory);
    int error = errno;
    if (ends[1] >= 0)
        close(ends[1]);
    if (child->pid < 0) {
        talloc_free(child);
        errno = error;
        return NULL;
    }
    return child;
}

int rw_capture_fd(const struct rw_capture_child *child)
{
    return child->end;
}

void rw_capture_stop(struct rw_capture_child *child)
{
    child->is_stopped = true;
    if (child->pid > 0)
        kill(child->pid, SIGKILL);
}

struct rw_incident *rw_capture_result(struct rw_capture_child *child, void *parent, uint64_t *cpu_ns,
                                      char **why)
{
    int status = 0;
    struct rusage usage;
    memset(&usage, 0, sizeof(usage));
    *why = NULL;
    pid_t waited;
    while ((waited = wait4(child->pid, &status, 0, &usage)) < 0 && errno == EINTR)
        ;
    child->pid = -1;
    *cpu_ns = ((uint64_t)usage.ru_utime.tv_sec + (uint64_t)usage.ru_stime.tv_sec) * 1000000000u +
              ((uint64_t)usage.ru_utime.tv_usec + (uint64_t)usage.ru_stime.tv_usec) * 1000u;
    if (child->is_stopped)
        *why = talloc_strdup(parent, "the look took too long and was given up");
    else if (waited < 0)
        *why = talloc_asprintf(parent, "the look is lost: %s", strerror(errno));
    else if (WIFSIGNALED(status))
        *why = talloc_asprintf(parent, "the look ended by signal %d (%s)", WTERMSIG(status),
                               strsignal(WTERMSIG(status)));
    else if (WEXITSTATUS(status) != 0)
        *why = talloc_strdup(parent, "the look could not be written down");
    if (*why != NULL)
        return NULL;
    struct stat file;
    size_t length = fstat(child->memory, &file) == 0 && file.st_size > 0 ? (size_t)file.st_size : 0;
    void *bytes = length > 0 ? mmap(NULL, length, PROT_READ, MAP_PRIVATE, child->memory, 0) : MAP_FAILED;
    struct rw_incident *incident = NULL;
    if (bytes != MAP_FAILED) {
        incident = rw_incident_unpack(parent, bytes, length, why);
        munmap(bytes, length);
    } else
        *why = talloc_strdup(parent, "what the look has written cannot be read");
    return incident;
}
