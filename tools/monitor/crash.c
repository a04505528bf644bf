/* SPDX-License-Identifier: MIT */
/* Processes that die of a signal: while they wait for a look, and afterwards. */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "tools/monitor/triggers.h"
#include "tools/recording/reader.h"
#include "tools/snapshot/proc.h"

static void describe(struct rw_want *want, const struct rw_watched *watched, int number, const char *what)
{
    const char *name = sigabbrev_np(number);
    memset(want, 0, sizeof(*want));
    want->trigger = RW_TRIGGER_CRASH;
    want->pid = watched->pid;
    want->signal = number;
    snprintf(want->detail, sizeof(want->detail), "the process %s %s%s", what,
             name != NULL ? "SIG" : "signal ", name != NULL ? name : "?");
}

/* timeout(1) and its like send themselves the signal that their child died of, so that their own parent sees
 * it: told is the child. */
static bool passes_on(const struct rw_triggers *triggers, const struct rw_header *header)
{
    for (unsigned i = 0; i < RW_CRASHES_KEPT && header->crash_sender == header->pid; i++)
        if (triggers->crashes[i].parent == header->pid && triggers->crashes[i].signal == header->crash_signal)
            return true;
    return false;
}

/* The misuses that led to it are told with it. */
static void note(struct rw_triggers *triggers, struct rw_watched *watched, int number, uint64_t now_ns)
{
    struct rw_want told;
    unsigned at = triggers->crash_count++ % RW_CRASHES_KEPT;
    triggers->crashes[at].parent = rw_reader_header(watched->reader)->ppid;
    triggers->crashes[at].signal = number;
    watched->rules.is_crash_told = true;
    rw_triggers_misused(watched, now_ns, &told);
}

bool rw_triggers_crashing(struct rw_triggers *triggers, struct rw_watch *watch, uint64_t now_ns,
                          struct rw_want *want)
{
    for (size_t i = 0; i < rw_watch_count(watch); i++) {
        struct rw_watched *watched = rw_watch_at(watch, i);
        if (watched->is_over || watched->reader == NULL || watched->is_elsewhere ||
            watched->rules.is_crash_told)
            continue;
        const struct rw_header *header = rw_reader_header(watched->reader);
        if (header->crash_ns == 0)
            continue;
        bool is_news = triggers->options->crash && !passes_on(triggers, header);
        note(triggers, watched, header->crash_signal, now_ns);
        rw_reader_crash_look(watched->reader, is_news ? RW_CRASH_SEEN : RW_CRASH_LOOKED);
        if (!is_news)
            continue;
        describe(want, watched, header->crash_signal, "is about to die of");
        return true;
    }
    return false;
}

static bool is_crash(int number)
{
    static const int fatal[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGSYS, SIGTRAP};
    for (size_t i = 0; i < sizeof(fatal) / sizeof(fatal[0]); i++)
        if (fatal[i] == number)
            return true;
    return false;
}

/* Where not even a handler could run (a stack that overflowed), the kernel knows what ended the process; not
 * so where it was the monitor that ended it, after a report. */
bool rw_triggers_crashed(struct rw_triggers *triggers, struct rw_watched *watched, uint64_t now_ns,
                         struct rw_want *want)
{
    const struct rw_header *header = rw_reader_header(watched->reader);
    int status, number = header->crash_signal;
    if (watched->rules.is_crash_told || !triggers->options->crash)
        return false;
    if (header->crash_ns == 0) {
        if (watched->rules.reported_ns != 0 ||
            rw_proc_ended_with(watched->pid, watched->pidfd, &status) != 0 || !WIFSIGNALED(status) ||
            !is_crash(WTERMSIG(status)))
            return false;
        number = WTERMSIG(status);
    }
    bool is_news = !passes_on(triggers, header);
    note(triggers, watched, number, now_ns);
    describe(want, watched, number, "died of");
    return is_news;
}

void rw_crash_looked(struct rw_watch *watch, const struct rw_want *want)
{
    struct rw_watched *watched = rw_watch_find(watch, want->pid);
    if (watched != NULL && watched->reader != NULL)
        rw_reader_crash_look(watched->reader, RW_CRASH_LOOKED);
}
