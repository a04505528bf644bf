/* SPDX-License-Identifier: MIT */
#include "tools/monitor/triggers.h"

#include <stdio.h>
#include <string.h>

#include "tools/monitor/progress.h"
#include "tools/monitor/runner.h"
#include "tools/recording/reader.h"

#define SECOND UINT64_C(1000000000)
#define MS UINT64_C(1000000)
#define NEVER UINT64_MAX

#define CIRCLE_AGE_NS (200 * MS)
#define EARLY_AGE_NS (500 * MS)
#define EARLY_GAP_FIRST_NS (1 * SECOND)
#define EARLY_AGAIN_FIRST_NS (4 * SECOND) /* the same waits once more */
#define EARLY_GAP_MAX_NS (32 * SECOND)
/* Early looks may cost 0.3 % of the time that passes, and at once as much as a handful of them do. */
#define EARLY_SHARE 333
#define EARLY_CREDIT_MAX_NS (120 * MS)
#define GONE_AGE_NS (2 * SECOND)

static uint64_t ns(double seconds)
{
    return (uint64_t)(seconds * 1e9);
}

static double s(uint64_t time_ns)
{
    return (double)time_ns / 1e9;
}

const char *rw_trigger_word(enum rw_trigger trigger)
{
    static const char *const words[] = {
        [RW_TRIGGER_NONE] = "dump",           [RW_TRIGGER_CYCLE] = "cycle",
        [RW_TRIGGER_EARLY] = "cycle",         [RW_TRIGGER_TEST] = "test-timeout",
        [RW_TRIGGER_RUNNER] = "test-timeout", [RW_TRIGGER_EXIT] = "no-exit",
        [RW_TRIGGER_STILL] = "no-progress",   [RW_TRIGGER_DEADLINE] = "deadline",
        [RW_TRIGGER_SIGNAL] = "signal",       [RW_TRIGGER_GONE] = "post-mortem",
        [RW_TRIGGER_MISUSE] = "misuse",       [RW_TRIGGER_CRASH] = "crash",
        [RW_TRIGGER_ORDER] = "lock-order",    [RW_TRIGGER_STUCK] = "serial",
    };
    return words[trigger];
}

void rw_triggers_init(struct rw_triggers *triggers, const struct rw_options *options, uint64_t now_ns)
{
    memset(triggers, 0, sizeof(*triggers));
    triggers->options = options;
    triggers->start_ns = triggers->credit_from_ns = now_ns;
    triggers->early_credit_ns = EARLY_CREDIT_MAX_NS;
    if (options->deadline > 0) {
        /* A deadline nearer than its margin: the last tenth is all there is. */
        double margin =
            options->deadline_margin < options->deadline ? options->deadline_margin : options->deadline / 10;
        triggers->deadline_ns = now_ns + ns(options->deadline - margin);
    }
}

static bool is_watched_now(const struct rw_watched *watched)
{
    return !watched->is_over && watched->reader != NULL;
}

static bool a_test_runs(const struct rw_watch *watch)
{
    for (size_t i = 0; i < rw_watch_count(watch); i++) {
        const struct rw_watched *watched = rw_watch_at(watch, i);
        if (is_watched_now(watched) && watched->test.number != 0)
            return true;
    }
    return false;
}

/* Which process to begin with, where a rule is about all: one with a test, else the first that came. */
static const struct rw_watched *foremost(const struct rw_watch *watch)
{
    const struct rw_watched *best = NULL;
    for (size_t i = 0; i < rw_watch_count(watch); i++) {
        const struct rw_watched *watched = rw_watch_at(watch, i);
        if (!is_watched_now(watched))
            continue;
        bool is_better =
            best == NULL || (watched->test.number != 0 && best->test.number == 0) ||
            ((watched->test.number != 0) == (best->test.number != 0) && watched->seen_ns < best->seen_ns);
        if (is_better)
            best = watched;
    }
    return best;
}

static void back_off(uint64_t *next_ns, uint64_t *gap_ns, uint64_t now_ns)
{
    if (*gap_ns == 0)
        *gap_ns = EARLY_GAP_FIRST_NS;
    *next_ns = now_ns + *gap_ns;
    *gap_ns = *gap_ns * 2 < EARLY_GAP_MAX_NS ? *gap_ns * 2 : EARLY_GAP_MAX_NS;
}

static bool circle_is_due(struct rw_triggers *triggers, struct rw_watch *watch, uint64_t now_ns,
                          struct rw_want *want)
{
    uint64_t signature = 0;
    for (size_t i = 0; i < rw_watch_count(watch); i++) {
        const struct rw_watched *watched = rw_watch_at(watch, i);
        for (size_t j = 0; is_watched_now(watched) && j < watched->slot_count; j++)
            if (rw_is_blocked(&watched->slots[j]) && now_ns - watched->slots[j].since_ns >= CIRCLE_AGE_NS)
                signature += watched->slots[j].since_ns * 31 + watched->slots[j].wait.object;
    }
    if (signature == 0)
        return false;
    /* A circle closes when a thread blocks: without a new blocked one there is little to hope for. */
    if (signature != triggers->blocked_signature)
        triggers->circle_gap_ns = 0;
    else if (now_ns < triggers->circle_next_ns)
        return false;
    back_off(&triggers->circle_next_ns, &triggers->circle_gap_ns, now_ns);
    triggers->blocked_signature = signature;
    want->pid = rw_find_circle(watch, now_ns, CIRCLE_AGE_NS);
    if (want->pid == 0)
        return false;
    want->trigger = RW_TRIGGER_CYCLE;
    snprintf(want->detail, sizeof(want->detail), "the recordings tell of a circle of waits");
    return true;
}

/* Who lets the threads run one by one knows when none is left that could. */
static bool stuck_is_due(struct rw_watched *watched, struct rw_want *want)
{
    uint64_t stuck_ns = rw_reader_header(watched->reader)->serial_stuck_ns;
    if (stuck_ns == 0 || stuck_ns == watched->rules.stuck_ns)
        return false;
    watched->rules.stuck_ns = stuck_ns;
    want->trigger = RW_TRIGGER_STUCK;
    want->pid = watched->pid;
    want->is_explicit = true;
    snprintf(want->detail, sizeof(want->detail), "no thread can run any more, as serial mode saw at once");
    return true;
}

static bool deadline_is_due(struct rw_triggers *triggers, struct rw_watch *watch, uint64_t now_ns,
                            struct rw_want *want)
{
    const struct rw_watched *first = foremost(watch);
    if (triggers->deadline_ns == 0 || now_ns < triggers->deadline_ns || first == NULL)
        return false;
    triggers->deadline_ns = NEVER;
    want->trigger = RW_TRIGGER_DEADLINE;
    want->pid = first->pid;
    want->is_explicit = true;
    snprintf(want->detail, sizeof(want->detail), "the run has lasted %.1f s and its deadline is %g s",
             s(now_ns - triggers->start_ns), triggers->options->deadline);
    return true;
}

static void begin_test(struct rw_watched *watched, const struct rw_options *options, uint64_t now_ns)
{
    struct rw_rules *rules = &watched->rules;
    if (rules->runner_timeout_s < 0)
        rules->runner_timeout_s = rw_runner_timeout_s(watched->pid);
    rules->test_number = watched->test.number;
    rules->test_next_ns =
        options->test_timeout > 0 ? watched->test.begin_ns + ns(options->test_timeout) : NEVER;
    /* Two looks must fit in before the runner strikes. */
    double limit = rules->runner_timeout_s, early = limit / 2 < 2.5 ? limit / 2 : 2.5;
    rules->runner_next_ns = limit > 0 ? watched->test.begin_ns + ns(limit - early) : NEVER;
    rules->early_gap_ns = EARLY_GAP_FIRST_NS;
    rules->early_next_ns = now_ns;
}

static bool test_is_due(struct rw_watched *watched, const struct rw_options *options, uint64_t now_ns,
                        struct rw_want *want)
{
    struct rw_rules *rules = &watched->rules;
    if (watched->test.number == 0)
        return false;
    if (rules->test_number != watched->test.number)
        begin_test(watched, options, now_ns);
    want->test_number = watched->test.number;
    want->pid = watched->pid;
    double age = s(now_ns - watched->test.begin_ns);
    if (now_ns >= rules->runner_next_ns && now_ns - watched->test.begin_ns < ns(rules->runner_timeout_s)) {
        want->trigger = RW_TRIGGER_RUNNER;
        want->is_explicit = true;
        snprintf(want->detail, sizeof(want->detail),
                 "the test has run %.1f s, and its runner ends it after %g s", age, rules->runner_timeout_s);
        rules->runner_next_ns = NEVER;
        return true;
    }
    if (now_ns >= rules->test_next_ns) {
        want->trigger = RW_TRIGGER_TEST;
        want->is_explicit = options->is_set.test_timeout;
        snprintf(want->detail, sizeof(want->detail), "the test has run %.1f s, longer than test_timeout=%g",
                 age, options->test_timeout);
        return true;
    }
    return false;
}

static bool interpreter_is_due(const struct rw_watched *watched, uint64_t grace_ns, uint64_t now_ns,
                               struct rw_want *want)
{
    for (size_t i = 0; i < watched->slot_count; i++) {
        const struct rw_interpreter_call *call = &watched->slots[i].call;
        if (call->op != RW_OP_DESTROY || call->since_ns == 0 || now_ns < call->since_ns + grace_ns)
            continue;
        snprintf(want->detail, sizeof(want->detail), "an interpreter is being destroyed since %.1f s",
                 s(now_ns - call->since_ns));
        return true;
    }
    return false;
}

static bool finished_is_due(const struct rw_watched *watched, uint64_t grace_ns, uint64_t now_ns,
                            struct rw_want *want)
{
    const struct rw_header *header = rw_reader_header(watched->reader);
    bool is_finalizing = header->finalize_begin_ns != 0 && header->finalize_end_ns == 0;
    const struct {
        uint64_t since_ns;
        const char *what;
    } milestones[] = {
        {is_finalizing ? header->finalize_begin_ns : 0, "Python's finalisation began"},
        {header->main_returned_ns, "main returned"},
        {header->exit_begin_ns, "exit was called"},
    };
    for (size_t i = 0; i < sizeof(milestones) / sizeof(milestones[0]); i++) {
        uint64_t since_ns = milestones[i].since_ns;
        if (since_ns == 0 || now_ns < since_ns + grace_ns)
            continue;
        snprintf(want->detail, sizeof(want->detail), "%s %.1f s ago, and the process is still there",
                 milestones[i].what, s(now_ns - since_ns));
        return true;
    }
    return false;
}

/* The suite is over (no process runs a test any more), and nothing moves. */
static bool suite_end_is_due(const struct rw_watched *watched, uint64_t grace_ns, uint64_t now_ns,
                             struct rw_want *want)
{
    const struct rw_header *header = rw_reader_header(watched->reader);
    uint64_t end_ns = header->test_last_end_ns;
    if (header->test_written == 0 || end_ns == 0 || now_ns < end_ns + grace_ns ||
        now_ns < watched->moved_ns + grace_ns)
        return false;
    snprintf(want->detail, sizeof(want->detail),
             "the last test ended %.1f s ago, and the process is still there", s(now_ns - end_ns));
    return true;
}

static bool exit_is_due(const struct rw_watched *watched, const struct rw_triggers *triggers, bool tests_run,
                        uint64_t now_ns, struct rw_want *want)
{
    uint64_t grace_ns = ns(triggers->options->exit_grace);
    if (grace_ns == 0 || now_ns < watched->rules.exit_next_ns)
        return false;
    if (!finished_is_due(watched, grace_ns, now_ns, want) &&
        !interpreter_is_due(watched, grace_ns, now_ns, want) &&
        (tests_run || !suite_end_is_due(watched, grace_ns, now_ns, want)))
        return false;
    want->trigger = RW_TRIGGER_EXIT;
    want->pid = watched->pid;
    return true;
}

static bool still_is_due(struct rw_triggers *triggers, const struct rw_watch *watch, bool tests_run,
                         uint64_t now_ns, struct rw_want *want)
{
    uint64_t limit_ns = ns(triggers->options->timeout), moved_ns = 0;
    const struct rw_watched *first = foremost(watch);
    for (size_t i = 0; i < rw_watch_count(watch); i++) {
        const struct rw_watched *watched = rw_watch_at(watch, i);
        if (is_watched_now(watched) && watched->moved_ns > moved_ns)
            moved_ns = watched->moved_ns;
    }
    if (limit_ns == 0 || first == NULL || now_ns < moved_ns + limit_ns || now_ns < triggers->still_next_ns ||
        moved_ns <= triggers->still_told_ns)
        return false;
    want->trigger = RW_TRIGGER_STILL;
    want->pid = first->pid;
    want->is_explicit = tests_run;
    snprintf(want->detail, sizeof(want->detail), "no watched process has made progress for %.1f s",
             s(now_ns - moved_ns));
    return true;
}

/* Whether the thread that runs the test, or else main, is blocked. A pool that waits for work while that one
 * is busy is what most suites show all the time. */
static bool work_is_blocked(const struct rw_watched *watched)
{
    int tid = watched->test.number != 0 ? watched->test.tid : watched->own_pid;
    for (size_t i = 0; i < watched->slot_count; i++)
        if (watched->slots[i].tid == tid && watched->slots[i].state == RW_THREAD_WAITING)
            return true;
    return false;
}

static bool early_is_due(struct rw_triggers *triggers, struct rw_watched *watched, uint64_t now_ns,
                         struct rw_want *want)
{
    bool is_aside = !work_is_blocked(watched), is_new = false, is_blocked = false;
    if (triggers->early_credit_ns == 0 ||
        now_ns < (is_aside ? watched->rules.aside_next_ns : watched->rules.early_next_ns))
        return false;
    for (size_t i = 0; i < watched->slot_count; i++) {
        const struct rw_slot_view *view = &watched->slots[i];
        if (!rw_is_blocked(view) || now_ns < view->since_ns + EARLY_AGE_NS)
            continue;
        is_blocked = true;
        is_new |= view->looked_since_ns != view->since_ns;
    }
    if (!is_new && (!is_blocked || now_ns < watched->rules.again_next_ns))
        return false;
    if (is_new)
        watched->rules.again_gap_ns = EARLY_AGAIN_FIRST_NS;
    back_off(&watched->rules.again_next_ns, &watched->rules.again_gap_ns, now_ns);
    for (size_t i = 0; i < watched->slot_count; i++)
        if (rw_is_blocked(&watched->slots[i]))
            watched->slots[i].looked_since_ns = watched->slots[i].since_ns;
    want->trigger = RW_TRIGGER_EARLY;
    want->is_aside = is_aside;
    want->pid = watched->pid;
    snprintf(want->detail, sizeof(want->detail), "a thread has been blocked for more than %.1f s",
             s(EARLY_AGE_NS));
    return true;
}

static void renew_credit(struct rw_triggers *triggers, uint64_t now_ns)
{
    uint64_t gained = (now_ns - triggers->credit_from_ns) / EARLY_SHARE;
    triggers->credit_from_ns = now_ns;
    triggers->early_credit_ns += gained;
    if (triggers->early_credit_ns > EARLY_CREDIT_MAX_NS)
        triggers->early_credit_ns = EARLY_CREDIT_MAX_NS;
}

bool rw_triggers_next(struct rw_triggers *triggers, struct rw_watch *watch, uint64_t now_ns,
                      struct rw_want *want)
{
    bool tests_run = a_test_runs(watch);
    memset(want, 0, sizeof(*want));
    renew_credit(triggers, now_ns);
    for (size_t i = 0; i < rw_watch_count(watch); i++) {
        struct rw_watched *watched = rw_watch_at(watch, i);
        if (is_watched_now(watched) && stuck_is_due(watched, want))
            return true;
    }
    if (circle_is_due(triggers, watch, now_ns, want) || deadline_is_due(triggers, watch, now_ns, want))
        return true;
    for (size_t i = 0; i < rw_watch_count(watch); i++) {
        struct rw_watched *watched = rw_watch_at(watch, i);
        if (is_watched_now(watched) && !watched->is_elsewhere && rw_triggers_misused(watched, now_ns, want))
            return true;
        if (is_watched_now(watched) && (test_is_due(watched, triggers->options, now_ns, want) ||
                                        exit_is_due(watched, triggers, tests_run, now_ns, want)))
            return true;
    }
    if (still_is_due(triggers, watch, tests_run, now_ns, want))
        return true;
    for (size_t i = 0; i < rw_watch_count(watch); i++) {
        struct rw_watched *watched = rw_watch_at(watch, i);
        if (is_watched_now(watched) && early_is_due(triggers, watched, now_ns, want))
            return true;
    }
    return false;
}

void rw_triggers_done(struct rw_triggers *triggers, struct rw_watch *watch, const struct rw_want *want,
                      bool was_told, uint64_t cost_ns, uint64_t now_ns)
{
    struct rw_watched *watched = rw_watch_find(watch, want->pid);
    struct rw_rules none = {0};
    struct rw_rules *rules = watched != NULL ? &watched->rules : &none;
    switch (want->trigger) {
    case RW_TRIGGER_CRASH:
        rw_crash_looked(watch, want);
        break;
    case RW_TRIGGER_CYCLE:
        if (!was_told) /* it was not to be seen this time; looked for again after a while */
            rw_forget_circles(watch);
        break;
    case RW_TRIGGER_TEST:
        /* Look again when it has run half as long again. */
        if (rules->test_number == want->test_number && watched != NULL)
            rules->test_next_ns = was_told ? NEVER
                                           : now_ns + (now_ns - watched->test.begin_ns) / 2 +
                                                 ns(triggers->options->test_timeout) / 4;
        break;
    case RW_TRIGGER_EXIT:
        rules->exit_next_ns = was_told ? NEVER : now_ns + ns(triggers->options->exit_grace);
        break;
    case RW_TRIGGER_STILL:
        triggers->still_next_ns = now_ns + ns(triggers->options->timeout);
        if (was_told)
            triggers->still_told_ns = now_ns;
        break;
    case RW_TRIGGER_EARLY:
        triggers->early_credit_ns -=
            cost_ns < triggers->early_credit_ns ? cost_ns : triggers->early_credit_ns;
        if (want->is_aside)
            back_off(&rules->aside_next_ns, &rules->aside_gap_ns, now_ns);
        else
            back_off(&rules->early_next_ns, &rules->early_gap_ns, now_ns);
        break;
    default:
        break;
    }
}

bool rw_triggers_gone(const struct rw_watched *watched, bool is_root, uint64_t now_ns, struct rw_want *want)
{
    if (watched->reader == NULL || watched->was_replaced || watched->is_elsewhere)
        return false;
    const struct rw_header *header = rw_reader_header(watched->reader);
    if (header->exit_begin_ns != 0 || header->exec_ns != 0)
        return false;
    for (size_t i = 0; i < watched->slot_count; i++) {
        const struct rw_slot_view *view = &watched->slots[i];
        bool matters =
            watched->test.number != 0 ? view->tid == watched->test.tid : is_root && view->tid == watched->pid;
        if (!matters || view->state != RW_THREAD_WAITING || now_ns < view->since_ns + GONE_AGE_NS ||
            watched->rules.reported_ns >= view->since_ns) /* it has been told of */
            continue;
        memset(want, 0, sizeof(*want));
        want->trigger = RW_TRIGGER_GONE;
        want->pid = watched->pid;
        want->is_explicit = watched->test.number != 0;
        snprintf(want->detail, sizeof(want->detail),
                 "the process was killed; its thread %d had been blocked for %.1f s", view->tid,
                 s(now_ns - view->since_ns));
        return true;
    }
    return false;
}
