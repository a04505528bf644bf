/* SPDX-License-Identifier: MIT */
#include "tools/monitor/looks.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>

#include <talloc.h>

#include "tools/basics/clock.h"
#include "tools/incident/model.h"
#include "tools/incident/words.h"
#include "tools/monitor/bare_incident.h"
#include "tools/monitor/capture.h"
#include "tools/monitor/deltas.h"
#include "tools/monitor/held.h"
#include "tools/monitor/progress.h"
#include "tools/monitor/targets.h"
#include "tools/monitor/worth.h"

#define MS UINT64_C(1000000)
#define SECOND UINT64_C(1000000000)
/* A circle of waits without deadlines needs less time to be believed than a verdict that rests on standing
 * still. */
#define CONFIRM_CIRCLE_NS (800 * MS)
#define CONFIRM_STUCK_NS (200 * MS)
#define CONFIRM_NS (1 * SECOND)

/* How much a look reads. One that goes wrong is taken again with less: what cannot be read is not worth more
 * than what can. */
enum level { WHOLE = 0, NO_PYTHON, NO_STACKS, RECORDINGS_ONLY, LEVELS };

/* How long a look of each level may take; and where the program is about to be ended, so that something is on
 * disk before it is. */
static const uint64_t look_max_ns[LEVELS] = {10 * SECOND, 10 * SECOND, 5 * SECOND, 2 * SECOND};
static const uint64_t short_look_max_ns[LEVELS] = {1000 * MS, 400 * MS, 400 * MS, 300 * MS};
#define ALL_LOOKS_MAX_NS (30 * SECOND)
/* And how much longer for each thread and process: some ten times what they take on a machine that has time.
 */
#define THREAD_NS (2 * MS)
#define PROCESS_NS (20 * MS)
#define MORE_MAX_NS (30 * SECOND)

struct rw_looks {
    struct rw_publisher *publisher;
    struct rw_triggers *triggers;
    struct rw_held *held;
    const char *command;
    struct rw_want want;
    bool is_busy;
    struct rw_capture_child *child; /* a look under way */
    rw_look_fn *look;
    enum level level;
    char *left_out;      /* why the level is not WHOLE, where something went wrong */
    size_t cut;          /* processes that the look had no room for */
    uint64_t more_ns;    /* time that its threads and processes may take beyond what a small look may */
    uint64_t looking_ns; /* time spent on looks, without the pause between them */
    uint64_t started_ns; /* of this look */
    uint64_t first_ns;   /* of the first look, for the confirmation */
    uint64_t cost_ns;
    struct rw_incident *first; /* what the first look saw */
};

struct rw_looks *rw_looks_new(void *parent, struct rw_publisher *publisher, struct rw_triggers *triggers,
                              const char *command)
{
    struct rw_looks *looks = talloc_zero(parent, struct rw_looks);
    looks->publisher = publisher;
    looks->triggers = triggers;
    looks->held = rw_held_new(looks, publisher);
    rw_looks_set_command(looks, command);
    return looks;
}

void rw_looks_set_command(struct rw_looks *looks, const char *command)
{
    looks->command = talloc_strdup(looks, command);
}

void rw_looks_set_look(struct rw_looks *looks, rw_look_fn *look)
{
    looks->look = look;
}

bool rw_looks_busy(const struct rw_looks *looks)
{
    return looks->is_busy;
}

int rw_looks_fd(const struct rw_looks *looks)
{
    return looks->child != NULL ? rw_capture_fd(looks->child) : -1;
}

/* A look that no limit asked for: only a circle is worth telling. */
static bool is_early(const struct rw_looks *looks)
{
    return looks->want.trigger == RW_TRIGGER_CYCLE || looks->want.trigger == RW_TRIGGER_EARLY;
}

static uint64_t confirm_ns(const struct rw_looks *looks)
{
    if (looks->want.trigger == RW_TRIGGER_STUCK) /* known already; two looks only show that nothing moves */
        return CONFIRM_STUCK_NS;
    return is_early(looks) ? CONFIRM_CIRCLE_NS : CONFIRM_NS;
}

/* A signal's look and that of the dead have no second to lose, nor have the dead's files; and of a call that
 * was seen a second look tells no more. */
static bool is_in_haste(const struct rw_looks *looks)
{
    return looks->want.trigger == RW_TRIGGER_SIGNAL || looks->want.trigger == RW_TRIGGER_GONE ||
           looks->want.trigger == RW_TRIGGER_MISUSE || looks->want.trigger == RW_TRIGGER_CRASH ||
           looks->want.trigger == RW_TRIGGER_ORDER;
}

bool rw_looks_in_haste(const struct rw_looks *looks)
{
    return looks->is_busy && is_in_haste(looks);
}

static uint64_t look_until_ns(const struct rw_looks *looks)
{
    return is_in_haste(looks) ? looks->started_ns + short_look_max_ns[looks->level]
                              : looks->started_ns + look_max_ns[looks->level] + looks->more_ns;
}

uint64_t rw_looks_due_ns(const struct rw_looks *looks)
{
    uint64_t due_ns = rw_held_due_ns(looks->held);
    if (!looks->is_busy)
        return due_ns;
    uint64_t own_ns = looks->child != NULL ? look_until_ns(looks) : looks->first_ns + confirm_ns(looks);
    return own_ns < due_ns ? own_ns : due_ns;
}

/* Early looks are many, and most find nothing: the first of them reads no native stack. What it suspects, the
 * second one looks at in full. Where the recording is not used, only the stack tells what a thread waits for.
 */
static bool is_light(const struct rw_looks *looks)
{
    const struct rw_watched *watched = rw_watch_find(looks->publisher->watch, looks->want.pid);
    return looks->want.trigger == RW_TRIGGER_EARLY && looks->first == NULL &&
           (watched == NULL || !watched->is_elsewhere);
}

static void start_look(struct rw_looks *looks, uint64_t now_ns)
{
    const struct rw_options *options = looks->publisher->options;
    struct rw_targets *targets = talloc(looks, struct rw_targets);
    rw_targets_choose(targets, looks->publisher->watch, &looks->want);
    struct rw_capture_plan plan = {
        .targets = targets->items,
        .target_count = targets->count,
        .trigger = rw_trigger_word(looks->want.trigger),
        .trigger_detail = looks->want.detail,
        .command = looks->command,
        .previous = looks->first,
        .failures = looks->publisher->failures,
        .native = options->native && looks->level < NO_STACKS && !is_light(looks),
        .python = options->python && looks->level < NO_PYTHON,
        .recordings_only = looks->level == RECORDINGS_ONLY,
        .signal = looks->want.signal,
        .look = looks->look,
    };
    looks->cut = targets->left_out;
    looks->more_ns = targets->count * PROCESS_NS + targets->threads * THREAD_NS;
    if (looks->more_ns > MORE_MAX_NS)
        looks->more_ns = MORE_MAX_NS;
    looks->started_ns = now_ns;
    if (looks->first == NULL)
        looks->first_ns = now_ns;
    looks->child = plan.target_count > 0 ? rw_capture_start(looks, &plan) : NULL;
    talloc_free(targets);
}

static void end(struct rw_looks *looks, bool was_told, uint64_t now_ns)
{
    talloc_free(looks->child);
    talloc_free(looks->first);
    looks->child = NULL;
    looks->first = NULL;
    looks->is_busy = false;
    rw_triggers_done(looks->triggers, looks->publisher->watch, &looks->want, was_told, looks->cost_ns,
                     now_ns);
}

void rw_looks_begin(struct rw_looks *looks, const struct rw_want *want, uint64_t now_ns)
{
    if (looks->is_busy)
        end(looks, false, now_ns);
    looks->want = *want;
    looks->cost_ns = looks->looking_ns = 0;
    looks->level = WHOLE;
    TALLOC_FREE(looks->left_out);
    if (want->trigger != RW_TRIGGER_GONE && want->trigger != RW_TRIGGER_SIGNAL && rw_is_halted(want->pid)) {
        end(looks, false, now_ns);
        return;
    }
    looks->is_busy = true;
    start_look(looks, now_ns);
    if (looks->child == NULL)
        end(looks, false, now_ns);
}

static void add_notes(const struct rw_looks *looks, struct rw_incident *incident)
{
    if (looks->left_out != NULL)
        rw_incident_note(incident, "%s; what was being read then is missing here", looks->left_out);
    if (looks->cut > 0)
        rw_incident_note(incident,
                         "%zu further processes were not looked at: a look takes in %d, the stuck ones first",
                         looks->cut, RW_TARGETS_MAX);
}

/* Takes the incident over. */
static void conclude(struct rw_looks *looks, struct rw_incident *incident, uint64_t now_ns)
{
    bool is_told = false;
    add_notes(looks, incident);
    incident->took_ms = (double)looks->looking_ns / 1e6;
    if (is_early(looks) && incident->verdict.is_ring) {
        incident->trigger_detail = "two looks saw the same threads wait for each other";
    } else if (is_early(looks)) {
        incident->trigger = rw_trigger_word(RW_TRIGGER_STILL);
        incident->trigger_detail =
            talloc_asprintf(incident, "a thread has waited for longer than timeout=%g for one that is gone",
                            looks->triggers->options->timeout);
    }
    if (rw_is_worth_telling(looks->triggers->options, &looks->want, incident, looks->first)) {
        bool is_news = rw_publisher_is_news(looks->publisher, incident);
        if (is_news && looks->want.trigger == RW_TRIGGER_RUNNER &&
            !rw_is_certain(looks->triggers->options, incident, &incident->verdict)) {
            rw_held_add(looks->held, incident, &looks->want);
        } else if (is_news) {
            rw_publish(looks->publisher, incident, !is_in_haste(looks), now_ns);
        }
        is_told = true;
    }
    if (talloc_parent(incident) == looks) /* else it is held */
        talloc_free(incident);
    end(looks, is_told, now_ns);
}

/* Every look went wrong. What asked for it is told all the same, but for what only a look could have seen. */
static void give_up(struct rw_looks *looks, uint64_t now_ns)
{
    struct rw_incident *incident =
        looks->first != NULL
            ? looks->first
            : rw_bare_incident(looks, looks->publisher->watch, &looks->want, looks->command, now_ns);
    looks->first = NULL;
    if (is_early(looks)) {
        talloc_free(incident);
        end(looks, false, now_ns);
    } else {
        conclude(looks, incident, now_ns);
    }
}

/* The look is lost: once more, with less. */
static void look_again(struct rw_looks *looks, const char *why, bool took_too_long, uint64_t now_ns)
{
    /* Native stacks are what takes time. */
    enum level next = took_too_long && looks->level < NO_STACKS ? NO_STACKS : looks->level + 1;
    if (looks->left_out == NULL)
        looks->left_out = talloc_strdup(looks, why);
    if (next < LEVELS && looks->looking_ns < ALL_LOOKS_MAX_NS + looks->more_ns) {
        looks->level = next;
        start_look(looks, now_ns);
    }
    if (looks->child == NULL)
        give_up(looks, now_ns);
}

static void take_result(struct rw_looks *looks, bool took_too_long, uint64_t now_ns)
{
    char *why = NULL;
    uint64_t cost_ns = 0;
    struct rw_incident *incident = rw_capture_result(looks->child, looks, &cost_ns, &why);
    talloc_free(looks->child);
    looks->child = NULL;
    looks->cost_ns += cost_ns;
    looks->looking_ns += now_ns - looks->started_ns;
    if (incident == NULL) {
        look_again(looks, why, took_too_long, now_ns);
        talloc_free(why);
        return;
    }
    bool is_certain_now = is_early(looks) && rw_bring_certain_forward(looks->triggers->options, incident);
    if (is_early(looks) && (!is_certain_now || !rw_publisher_is_news(looks->publisher, incident))) {
        talloc_free(incident);
        end(looks, is_certain_now, now_ns);
    } else if (looks->first == NULL && !is_in_haste(looks)) {
        looks->first = incident;
    } else {
        conclude(looks, incident, now_ns);
    }
}

void rw_looks_step(struct rw_looks *looks, uint64_t now_ns)
{
    rw_held_step(looks->held, now_ns);
    if (!looks->is_busy)
        return;
    if (looks->child == NULL) {
        if (now_ns < looks->first_ns + confirm_ns(looks))
            return;
        start_look(looks, now_ns);
        if (looks->child == NULL) /* gone between the looks: what the first one saw is all there will be */
            give_up(looks, now_ns);
        return;
    }
    struct pollfd poll_fd = {.fd = rw_capture_fd(looks->child), .events = POLLIN};
    bool has_ended = poll(&poll_fd, 1, 0) > 0;
    bool took_too_long = !has_ended && now_ns >= look_until_ns(looks);
    if (took_too_long)
        rw_capture_stop(looks->child);
    if (has_ended || took_too_long)
        take_result(looks, took_too_long, now_ns);
}

void rw_looks_finish(struct rw_looks *looks, uint64_t limit_ns)
{
    uint64_t until_ns = rw_now_ns() + limit_ns;
    for (uint64_t now_ns = rw_now_ns(); looks->is_busy && now_ns < until_ns; now_ns = rw_now_ns()) {
        uint64_t due_ns = rw_looks_due_ns(looks);
        uint64_t next_ns = due_ns < until_ns ? due_ns : until_ns;
        struct pollfd poll_fd = {.fd = rw_looks_fd(looks), .events = POLLIN};
        poll(&poll_fd, 1, next_ns > now_ns ? (int)((next_ns - now_ns) / MS) + 1 : 0);
        rw_looks_step(looks, rw_now_ns());
    }
    if (looks->is_busy)
        end(looks, false, rw_now_ns());
}

void rw_looks_gone(struct rw_looks *looks, const struct rw_watched *watched, uint64_t now_ns)
{
    rw_held_gone(looks->held, watched, now_ns);
}
