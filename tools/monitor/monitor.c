/* SPDX-License-Identifier: MIT */
#include "tools/monitor/monitor.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <talloc.h>

#include "tools/basics/clock.h"
#include "tools/monitor/looks.h"
#include "tools/monitor/out_folder.h"
#include "tools/monitor/privileges.h"
#include "tools/monitor/progress.h"
#include "tools/monitor/publish.h"
#include "tools/monitor/reached.h"
#include "tools/monitor/schedules.h"
#include "tools/monitor/spares.h"
#include "tools/monitor/thread_names.h"
#include "tools/monitor/triggers.h"
#include "tools/monitor/watch.h"
#include "tools/recording/reader.h"
#include "tools/snapshot/proc.h"

#define MS UINT64_C(1000000)
#define SECOND UINT64_C(1000000000)
#define TICK_MIN_NS (100 * MS)
#define TICK_MAX_NS (500 * MS)
#define TICK_SHARE 500 /* a tick may take this part of the time between ticks */
#define SWEEP_MIN_NS (10 * MS)
#define BUSTLE 8u /* as many ended since the last sweep: the next comes soon */
#define RESCAN_NS (1 * SECOND)
#define MAPS_AGE_NS (500 * MS)
#define SEEN_NS (1 * SECOND)
#define GAP_NS (2 * SECOND) /* between ticks: the monitor itself was stopped */
#define SIGNAL_LOOK_NS (2 * SECOND)
#define FIRST_WAIT_NS (30 * SECOND)
#define DESCRIPTORS                                                                                          \
    16384 /* that the monitor may need: twice the processes that it watches at most, and some */

struct monitor {
    const struct rw_monitor_setup *setup;
    struct rw_watch *watch;
    struct rw_triggers triggers;
    struct rw_out *out;
    struct rw_publisher *publisher;
    struct rw_looks *looks;
    struct rw_thread_names *names; /* NULL: nobody asks for accounts where nothing hangs */
    struct rw_schedules *schedules;
    int signal_fd; /* only wakes: signals are taken from those that wait; -1 none */
    bool child_ended;
    bool is_asked_to_end;
    bool was_signalled; /* somebody ends the run: its processes' ends are no riddle any more */
    bool has_seen;
    int refused;
    int exit_status; /* of the first process, -1 not known */
    int wait_status;
    int signal_to_pass; /* 0 none */
    uint64_t pass_ns;   /* at the latest */
    uint64_t start_ns, tick_ns, last_tick_ns, interval_ns, rescan_ns;
    uint64_t sweep_ns, sweep_interval_ns;
};

/* A tree's first process is often a wrapper that execs what it is about: its name is asked for when it is
 * needed. */
static void name_command(struct monitor *monitor)
{
    const char *command = NULL;
    if (monitor->setup->command != NULL || rw_proc_command(monitor, monitor->setup->first, &command) != 0)
        return;
    rw_out_set_command(monitor->out, command);
    rw_looks_set_command(monitor->looks, command);
}

static void begin_look(struct monitor *monitor, const struct rw_want *want, uint64_t now_ns)
{
    name_command(monitor);
    if (monitor->setup->log != NULL)
        fprintf(monitor->setup->log, "racewatch: looking at process %d: %s\n", want->pid, want->detail);
    rw_looks_begin(monitor->looks, want, now_ns);
}

/* A process that ended: was it killed while it was stuck? Its recording is needed until that is told. */
static void settle(struct monitor *monitor, struct rw_watched *watched, uint64_t now_ns)
{
    struct rw_want want;
    bool is_root = watched->pid == monitor->setup->first;
    if (is_root && watched->reader != NULL && !watched->was_replaced) {
        rw_reader_refresh(watched->reader);
        if (rw_reader_header(watched->reader)->exit_begin_ns != 0)
            monitor->exit_status = rw_reader_header(watched->reader)->exit_status & 0xff;
    }
    rw_failures_note(monitor->publisher->failures, watched, now_ns);
    rw_accounts_gone(monitor->publisher->accounts, watched);
    rw_looks_gone(monitor->looks, watched, now_ns);
    if (watched->reader != NULL && !watched->was_replaced && !watched->is_elsewhere) {
        rw_reader_refresh(watched->reader);
        if (!monitor->was_signalled && rw_triggers_crashed(&monitor->triggers, watched, now_ns, &want)) {
            begin_look(monitor, &want, now_ns);
            rw_looks_finish(monitor->looks, SIGNAL_LOOK_NS);
        }
        if (rw_triggers_ordered(watched, &want)) {
            begin_look(monitor, &want, now_ns);
            rw_looks_finish(monitor->looks, SIGNAL_LOOK_NS);
        }
        if (rw_triggers_misused(watched, now_ns, &want)) {
            begin_look(monitor, &want, now_ns);
            rw_looks_finish(monitor->looks, SIGNAL_LOOK_NS);
        }
    }
    if (!monitor->was_signalled && rw_triggers_gone(watched, is_root, now_ns, &want)) {
        begin_look(monitor, &want, now_ns);
        rw_looks_finish(monitor->looks, SIGNAL_LOOK_NS);
    }
    watched->is_kept |= strcmp(monitor->setup->options->keep, "always") == 0;
    rw_schedules_note(monitor->schedules, watched->schedule);
    rw_watch_forget(monitor->watch, watched);
}

static void settle_ended(struct monitor *monitor, uint64_t now_ns)
{
    unsigned ended = 0;
    for (size_t i = rw_watch_count(monitor->watch); i-- > 0;)
        if (i < rw_watch_count(monitor->watch) && rw_watch_at(monitor->watch, i)->is_over) {
            settle(monitor, rw_watch_at(monitor->watch, i), now_ns);
            ended++;
        }
    uint64_t wait_ns = ended >= BUSTLE ? SWEEP_MIN_NS : 2 * monitor->sweep_interval_ns;
    monitor->sweep_interval_ns = wait_ns < TICK_MAX_NS ? wait_ns : TICK_MAX_NS;
    monitor->sweep_ns = rw_now_ns() + monitor->sweep_interval_ns;
}

/* Where processes come and go by the dozen, the next ones are to find the files of those that ended: from one
 * tick to the next hundreds would make new ones, each the slower the more were removed before. */
static void sweep(struct monitor *monitor, uint64_t now_ns)
{
    rw_watch_update(monitor->watch, now_ns, false);
    monitor->has_seen |= rw_watch_count(monitor->watch) > 0;
    settle_ended(monitor, now_ns);
}

static void note_alive(struct rw_watched *watched, uint64_t now_ns)
{
    if (now_ns < watched->told_seen_ns + SEEN_NS)
        return;
    watched->told_seen_ns = now_ns;
    rw_reader_seen(watched->reader, now_ns);
    if (now_ns > watched->moved_ns + SEEN_NS && rw_is_halted(watched->pid))
        watched->moved_ns = now_ns; /* that time counts for nothing */
    if (now_ns >= watched->seen_ns + MAPS_AGE_NS)
        rw_watched_save_maps(watched);
}

static void tick(struct monitor *monitor, uint64_t now_ns)
{
    bool was_away = now_ns > monitor->last_tick_ns + monitor->interval_ns + GAP_NS;
    bool rescan = now_ns >= monitor->rescan_ns;
    rw_watch_update(monitor->watch, now_ns, rescan);
    if (rescan)
        monitor->rescan_ns = now_ns + RESCAN_NS;
    for (size_t i = 0; i < rw_watch_count(monitor->watch); i++) {
        struct rw_watched *watched = rw_watch_at(monitor->watch, i);
        monitor->has_seen = true;
        if (watched->is_over || watched->reader == NULL)
            continue;
        if (was_away)
            rw_progress_skip(watched, monitor->last_tick_ns, now_ns);
        rw_progress_update(watched, now_ns);
        rw_accounts_update(monitor->publisher->accounts, watched, now_ns);
        note_alive(watched, now_ns);
    }
    settle_ended(monitor, now_ns);
    if (monitor->names != NULL)
        rw_thread_names_step(monitor->names, monitor->watch, monitor->publisher->accounts, now_ns);
    monitor->last_tick_ns = now_ns;
    uint64_t took_ns = rw_now_ns() - now_ns;
    monitor->interval_ns = took_ns * TICK_SHARE < TICK_MIN_NS   ? TICK_MIN_NS
                           : took_ns * TICK_SHARE > TICK_MAX_NS ? TICK_MAX_NS
                                                                : took_ns * TICK_SHARE;
    monitor->tick_ns = now_ns + monitor->interval_ns;
}

static void pass_signal(struct monitor *monitor, int number)
{
    if (monitor->setup->child != 0 && !monitor->child_ended && number != 0)
        kill(monitor->setup->child, number); /* nobody else reaps it, so the number is its own */
}

/* A signal that is about to end the program: look first, for it may take the evidence along. */
static void look_before_signal(struct monitor *monitor, const siginfo_t *info, uint64_t now_ns)
{
    struct rw_want want = {.trigger = RW_TRIGGER_SIGNAL, .pid = monitor->setup->first};
    tick(monitor, now_ns); /* it may be younger than the last one */
    for (size_t i = rw_watch_count(monitor->watch); i-- > 0;) {
        const struct rw_watched *watched = rw_watch_at(monitor->watch, i);
        if (watched->test.number == 0 || watched->is_over)
            continue;
        want.pid = watched->pid;
        want.is_explicit = true;
    }
    snprintf(want.detail, sizeof(want.detail), "the run got SIG%s", sigabbrev_np(info->si_signo));
    begin_look(monitor, &want, now_ns);
    monitor->signal_to_pass = rw_signal_has_reached_program(info) ? 0 : info->si_signo;
    monitor->pass_ns = now_ns + SIGNAL_LOOK_NS;
}

static void take_signals(struct monitor *monitor, uint64_t now_ns)
{
    const struct timespec at_once = {0, 0};
    siginfo_t info;
    int number;
    while (monitor->setup->signals != NULL &&
           (number = sigtimedwait(monitor->setup->signals, &info, &at_once)) > 0) {
        bool ends = number == SIGTERM || number == SIGINT || number == SIGHUP || number == SIGQUIT;
        if (!ends) {
            pass_signal(monitor, number == SIGCHLD ? 0 : number); /* that only wakes */
        } else if (monitor->pass_ns != 0) {                       /* once more: no patience left */
            monitor->was_signalled = true;
            pass_signal(monitor, monitor->signal_to_pass);
            monitor->signal_to_pass = 0;
            if (!rw_signal_has_reached_program(&info))
                pass_signal(monitor, number);
        } else {
            look_before_signal(monitor, &info, now_ns);
        }
    }
}

static void pass_when_looked(struct monitor *monitor, uint64_t now_ns)
{
    if (monitor->pass_ns == 0 || (rw_looks_busy(monitor->looks) && now_ns < monitor->pass_ns))
        return;
    pass_signal(monitor, monitor->signal_to_pass);
    monitor->signal_to_pass = 0;
    monitor->pass_ns = 0;
    monitor->was_signalled = true;
    monitor->is_asked_to_end = monitor->setup->child == 0;
}

static void wait_for_something(struct monitor *monitor)
{
    uint64_t now_ns = rw_now_ns(), due_ns = monitor->tick_ns, looks_ns = rw_looks_due_ns(monitor->looks);
    due_ns = looks_ns < due_ns ? looks_ns : due_ns;
    due_ns = monitor->sweep_ns < due_ns ? monitor->sweep_ns : due_ns;
    struct pollfd fds[] = {
        {.fd = monitor->signal_fd, .events = POLLIN},
        {.fd = rw_looks_fd(monitor->looks), .events = POLLIN},
    };
    struct timespec wait = {0, 0};
    if (due_ns > now_ns) {
        wait.tv_sec = (time_t)((due_ns - now_ns) / SECOND);
        wait.tv_nsec = (long)((due_ns - now_ns) % SECOND);
    }
    if (ppoll(fds, sizeof(fds) / sizeof(fds[0]), &wait, NULL) < 0 && errno != EINTR)
        nanosleep(&wait, NULL); /* a filter refuses ppoll */
    if (monitor->setup->child != 0 &&
        waitpid(monitor->setup->child, &monitor->wait_status, WNOHANG) == monitor->setup->child) {
        monitor->child_ended = true;
        if (monitor->setup->child_ended != NULL)
            monitor->setup->child_ended(monitor->wait_status);
    }
    take_signals(monitor, rw_now_ns());
}

static bool is_over(const struct monitor *monitor, uint64_t now_ns)
{
    if (monitor->setup->child != 0)
        return monitor->child_ended;
    if (monitor->is_asked_to_end)
        return true;
    if (!monitor->has_seen)
        return !rw_proc_alive(monitor->setup->first, 0) || now_ns > monitor->start_ns + FIRST_WAIT_NS;
    return rw_watch_living(monitor->watch) == 0;
}

static void loop(struct monitor *monitor)
{
    struct rw_want want;
    while (!is_over(monitor, rw_now_ns())) {
        wait_for_something(monitor);
        uint64_t now_ns = rw_now_ns();
        rw_looks_step(monitor->looks, now_ns);
        pass_when_looked(monitor, now_ns);
        if (now_ns < monitor->tick_ns) {
            if (now_ns >= monitor->sweep_ns)
                sweep(monitor, now_ns);
            continue;
        }
        tick(monitor, now_ns);
        if (!rw_looks_in_haste(monitor->looks) &&
            rw_triggers_crashing(&monitor->triggers, monitor->watch, now_ns, &want))
            begin_look(monitor, &want, now_ns); /* another look's rule asks again */
        if (!rw_looks_busy(monitor->looks) &&
            rw_triggers_next(&monitor->triggers, monitor->watch, now_ns, &want))
            begin_look(monitor, &want, now_ns);
    }
}

/* All processes; what is left in the session's folder belongs to such as go on without us, or ended in order.
 * False: somebody new has come. */
static bool forget_all(struct monitor *monitor, bool keeps)
{
    uint64_t now_ns = rw_now_ns();
    if (monitor->setup->child != 0)
        rw_watch_ends(monitor->watch);
    rw_watch_update(monitor->watch, now_ns, true);
    monitor->has_seen |= rw_watch_count(monitor->watch) > 0;
    settle_ended(monitor, now_ns);
    if (monitor->setup->child == 0 && !monitor->is_asked_to_end && rw_watch_living(monitor->watch) > 0)
        return false;
    rw_accounts_count(monitor->publisher->accounts); /* with the processes that go on without us */
    while (rw_watch_count(monitor->watch) > 0) {
        struct rw_watched *watched = rw_watch_at(monitor->watch, 0);
        watched->is_kept |= keeps;
        rw_schedules_note(monitor->schedules, watched->schedule);
        rw_watch_forget(monitor->watch, watched);
    }
    if (!keeps)
        rw_watch_clear_elsewhere(monitor->watch);
    rw_spares_clear(monitor->setup->session->path);
    return true;
}

/* -ENOTEMPTY: somebody new has come. */
static int clear_away(struct monitor *monitor)
{
    bool keeps = strcmp(monitor->setup->options->keep, "always") == 0;
    int error = -ENOTEMPTY;
    /* A file that could not be listed, read or removed once may be the second time. */
    for (int tries = 0; tries < 2 && error != 0; tries++) {
        if (!forget_all(monitor, keeps))
            return -ENOTEMPTY;
        int refused = rw_session_take_refusal(monitor->setup->session);
        monitor->refused = refused != 0 ? refused : monitor->refused;
        error = rw_session_remove(monitor->setup->session);
        if (keeps || monitor->publisher->told > 0)
            return 0;
    }
    return error;
}

static void finish(struct monitor *monitor)
{
    bool keeps = strcmp(monitor->setup->options->keep, "always") == 0;
    int status = monitor->setup->child == 0          ? monitor->exit_status
                 : WIFSIGNALED(monitor->wait_status) ? 128 + WTERMSIG(monitor->wait_status)
                                                     : WEXITSTATUS(monitor->wait_status);
    rw_looks_finish(monitor->looks, 0);
    if (rw_watch_lacks_descriptors(monitor->watch) && monitor->publisher->trouble == NULL)
        monitor->publisher->trouble = talloc_strdup(
            monitor->publisher,
            "some processes could not be watched: the limit of open files (ulimit -Hn) is too low for them");
    if (monitor->publisher->trouble != NULL)
        rw_out_note(monitor->out, monitor->publisher->trouble);
    if (rw_watch_has_elsewhere(monitor->watch))
        rw_out_note(monitor->out, "some processes of other PID namespaces were not found among those that "
                                  "can be seen here: they were recorded, and not watched");
    size_t lost = rw_accounts_lost(monitor->publisher->accounts);
    if (lost > 0)
        rw_out_note(monitor->out, talloc_asprintf(monitor,
                                                  "%zu more tests left something behind: what, there "
                                                  "was no time or room to take down",
                                                  lost));
    bool tells_accounts =
        monitor->setup->options->accounts && rw_accounts_count(monitor->publisher->accounts) > 0;
    if (monitor->publisher->told == 0 && !keeps && !tells_accounts)
        return;
    rw_out_set_tests(monitor->out, rw_accounts_json(monitor->publisher->accounts,
                                                    monitor->setup->session->name, rw_now_ns()));
    rw_out_write_index(monitor->out, status);
}

static void set_up(struct monitor *monitor, const struct rw_monitor_setup *setup)
{
    const char *command = setup->command;
    monitor->setup = setup;
    monitor->exit_status = -1;
    monitor->start_ns = monitor->last_tick_ns = rw_now_ns();
    monitor->interval_ns = TICK_MIN_NS;
    monitor->sweep_interval_ns = SWEEP_MIN_NS / 2;
    monitor->signal_fd =
        setup->signals != NULL ? signalfd(-1, setup->signals, SFD_CLOEXEC | SFD_NONBLOCK) : -1;
    if (command == NULL && rw_proc_command(monitor, setup->first, &command) != 0)
        command = NULL;
    monitor->watch = rw_watch_new(monitor, setup->session->path);
    monitor->schedules = rw_schedules_new(monitor, setup->options);
    rw_triggers_init(&monitor->triggers, setup->options, monitor->start_ns);
    monitor->out =
        rw_out_new(monitor, setup->session->out_fd, setup->session->out, setup->session->name, command);
    monitor->publisher =
        rw_publisher_new(monitor, setup->options, setup->session, monitor->watch, monitor->out);
    for (const char *line = setup->notes; line != NULL && *line != '\0';) {
        static const char prefix[] = "racewatch: "; /* it is said in racewatch's own file */
        if (strncmp(line, prefix, strlen(prefix)) == 0)
            line += strlen(prefix);
        size_t length = strcspn(line, "\n");
        rw_publisher_note(monitor->publisher, talloc_strndup(monitor, line, length));
        line += length + (line[length] == '\n');
    }
    if (setup->options->accounts && setup->options->python)
        monitor->names = rw_thread_names_new(monitor);
    monitor->looks = rw_looks_new(monitor, monitor->publisher, &monitor->triggers, command);
}

/* A process that is watched takes two descriptors, and 1,024 are the usual limit: 500 processes would be too
 * many. What the limit may be raised to is for programs that know what they do, as this one does. */
static void raise_descriptor_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= DESCRIPTORS)
        return;
    limit.rlim_cur = limit.rlim_max < DESCRIPTORS ? limit.rlim_max : DESCRIPTORS;
    setrlimit(RLIMIT_NOFILE, &limit);
}

void rw_monitor_run(void *parent, const struct rw_monitor_setup *setup, struct rw_monitor_result *result)
{
    struct monitor *monitor = talloc_zero(parent, struct monitor);
    rw_privileges_drop(); /* the program has been started, where we are the ones who do */
    raise_descriptor_limit();
    signal(SIGIO, SIG_IGN); /* of leases: spares.h */
    set_up(monitor, setup);
    memset(result, 0, sizeof(*result));
    do
        loop(monitor);
    while (clear_away(monitor) == -ENOTEMPTY && setup->child == 0 && rw_watch_living(monitor->watch) > 0);
    finish(monitor);
    result->wait_status = monitor->wait_status;
    result->has_seen = monitor->has_seen;
    result->refused = monitor->refused;
    result->told = monitor->publisher->told;
    result->first_sentence = talloc_strdup(parent, monitor->publisher->first_sentence);
    result->first_report = talloc_strdup(parent, monitor->publisher->first_report);
    result->index = talloc_asprintf(parent, "%s/index.json", setup->session->out);
    if (setup->options->accounts)
        result->tests_told = rw_accounts_count(monitor->publisher->accounts);
    result->trouble = talloc_strdup(parent, monitor->publisher->trouble);
    result->schedules_said = talloc_strdup(parent, rw_schedules_said(monitor->schedules));
    if (monitor->signal_fd >= 0)
        close(monitor->signal_fd);
    rw_session_close(setup->session);
    talloc_free(monitor);
}
