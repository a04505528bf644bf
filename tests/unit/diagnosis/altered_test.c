/* SPDX-License-Identifier: MIT */
/*
 * Wrong surroundings: facts that are missing, disagree or lie. Each fixture is altered at random, always the
 * same way for the same seed; whoever is blamed then must be someone whom a fact that is left points at, and
 * what is called exact must rest on facts that are.
 */
#include "tests/unit/diagnosis/cases.h"
#include "tools/incident/interpreters.h"
#include "tools/incident/words.h"

#define SEEDS 400
#define NO_SUCH_TID 999999

static uint64_t random_state;

static unsigned pick(unsigned count)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return count ? (unsigned)(random_state % count) : 0;
}

static void alter_wait(struct rw_process_info *process, struct rw_thread *thread)
{
    struct rw_wait_on *wait = thread->waits_on;

    switch (pick(7)) {
    case 0:
        thread->waits_on = NULL;
        break;
    case 1:
        wait->owner.tid = -1;
        wait->owner.certainty = RW_UNKNOWN;
        break;
    case 2:
        wait->owner.certainty = wait->owner.certainty > RW_UNKNOWN ? RW_INFERRED : RW_UNKNOWN;
        break;
    case 3:
        wait->owner.tid = NO_SUCH_TID;
        break;
    case 4:
        /* A recording that disagrees: somebody else is said to have it, and not by the lock itself. */
        wait->owner.tid = process->threads[pick((unsigned)process->thread_count)].tid;
        wait->owner.certainty = RW_INFERRED;
        break;
    case 5:
        wait->has_deadline = true;
        break;
    default:
        wait->since_ns = 0;
        break;
    }
}

static void alter_thread(struct rw_thread *thread)
{
    switch (pick(7)) {
    case 0:
        thread->is_alive = false;
        thread->state = "exited";
        break;
    case 1:
        thread->native_count = 0;
        break;
    case 2:
        thread->python_count = 0;
        break;
    case 3:
        for (size_t i = 0; i < thread->python_count; i++)
            thread->python[i].is_torn = true;
        break;
    case 4:
        thread->thread_state_count = 0;
        break;
    case 5:
        thread->moved = 1;
        break;
    default:
        thread->name = NULL;
        thread->is_daemon = -1;
        thread->creator_tid = NO_SUCH_TID;
        thread->interpreter_call = NULL;
        break;
    }
}

static void alter_process(struct rw_process_info *process)
{
    switch (pick(6)) {
    case 0:
        process->is_alive = false;
        break;
    case 1:
        process->history_count = 0;
        break;
    case 2:
        process->test = NULL;
        break;
    case 3:
        for (size_t i = 0; i < process->interpreter_count; i++)
            process->interpreters[i].gil.holder_tid = -1;
        break;
    case 4:
        for (size_t i = 0; i < process->interpreter_count; i++)
            process->interpreters[i].thread_state_count = 0;
        break;
    default:
        process->interpreter_count = 0;
        break;
    }
}

static void alter(struct rw_process_info *process)
{
    for (unsigned times = 1 + pick(4); times > 0; times--) {
        struct rw_thread *thread = &process->threads[pick((unsigned)process->thread_count)];

        switch (pick(4)) {
        case 0:
            alter_thread(thread);
            break;
        case 1:
            alter_process(process);
            break;
        default:
            if (thread->waits_on)
                alter_wait(process, thread);
            break;
        }
    }
}

static bool holds_gil(const struct rw_process_info *process, int tid)
{
    for (size_t i = 0; i < process->interpreter_count; i++)
        if (process->interpreters[i].gil.holder_tid == tid)
            return true;
    return false;
}

/* A fact that is left says that somebody waits for this thread. */
static bool is_waited_for(const struct rw_process_info *process, const struct rw_thread *thread)
{
    for (size_t i = 0; i < process->thread_count; i++) {
        const struct rw_thread *other = &process->threads[i];
        const struct rw_ending ending = rw_thread_ending(process, other);

        if (other->waits_on && other->waits_on->owner.tid == thread->tid)
            return true;
        if (other != thread && ending.is_ending &&
            (rw_thread_is_in(process, thread, ending.interpreter) || thread->is_daemon == 0))
            return true;
        if (other != thread && other->is_main && thread->is_daemon == 0 && other->waits_on)
            return true;
    }
    return holds_gil(process, thread->tid);
}

static bool is_weak_class(const char *name)
{
    return strcmp(name, "unknown") == 0 || strcmp(name, "idle") == 0 || strcmp(name, "slow") == 0 ||
           strcmp(name, "spinning") == 0;
}

static const char *unjustified(const struct rw_process_info *process, const struct rw_verdict *verdict,
                               const struct rw_culprit *culprit)
{
    const struct rw_thread *thread = rw_process_find_thread(process, culprit->tid);
    bool is_waiter = strcmp(culprit->role, "waits") == 0 || strcmp(culprit->role, "destroyer") == 0;

    if (!thread)
        return "there is no such thread";
    if (is_weak_class(verdict->class_name))
        return NULL;
    if (is_waiter && !thread->waits_on)
        return "it waits for nothing that is known";
    if (!is_waiter && !is_waited_for(process, thread))
        return "nothing says that anybody waits for it";
    if (!is_waiter && strcmp(culprit->role, "owner") != 0 && rw_thread_is_gone(process, thread))
        return "it has ended";
    return NULL;
}

/* What is called exact rests on nothing less. */
static const char *not_exact(const struct rw_process_info *process, const struct rw_verdict *verdict)
{
    if (verdict->certainty != RW_EXACT || !verdict->is_ring)
        return NULL;
    for (size_t i = 0; i < verdict->culprit_count; i++) {
        const struct rw_thread *thread = rw_process_find_thread(process, verdict->culprits[i].tid);
        const struct rw_wait_on *wait = thread ? thread->waits_on : NULL;
        bool is_gil = wait && strcmp(wait->kind, "gil") == 0;

        if (!wait)
            return "a member of the ring waits for nothing";
        if (is_gil)
            continue;
        if (wait->owner.certainty != RW_EXACT || wait->owner.tid == NO_SUCH_TID)
            return "a link is not exact";
        if (wait->has_deadline || thread->moved == 1)
            return "a link ends by itself, or has moved";
    }
    return NULL;
}

static void check(const char *name, unsigned seed, const struct rw_incident *incident,
                  const struct rw_verdict *verdict)
{
    const struct rw_process_info *process = &incident->processes[0];
    const char *wrong = not_exact(process, verdict);
    const struct rw_culprit *culprit = NULL;

    for (size_t i = 0; i < verdict->culprit_count && !wrong; i++) {
        culprit = &verdict->culprits[i];
        wrong = unjustified(process, verdict, culprit);
    }
    if (wrong)
        print_error("%s, seed %u: %s (thread %d, %s): %s\n", name, seed, wrong, culprit ? culprit->tid : 0,
                    culprit ? culprit->role : "ring", verdict->sentence);
    assert_null(wrong);
    assert_non_null(verdict->sentence);
}

static void whoever_is_blamed_is_pointed_at_by_what_is_left(void **state)
{
    (void)state;
    for (size_t i = 0; i < FIXTURE_COUNT; i++)
        for (unsigned seed = 1; seed <= SEEDS; seed++) {
            struct rw_incident *incident = fixture(fixture_names[i]);

            random_state = seed * UINT64_C(0x9e3779b97f4a7c15) + i;
            alter(&incident->processes[0]);
            rw_diagnose(incident);
            check(fixture_names[i], seed, incident, &incident->verdict);
            for (size_t j = 0; j < incident->also_count; j++)
                check(fixture_names[i], seed, incident, &incident->also[j]);
            talloc_free(incident);
        }
}

/* Without a word on who holds what, nobody is blamed for holding it. */
static void without_owners_there_are_no_culprits_but_those_who_wait(void **state)
{
    (void)state;
    for (size_t i = 0; i < FIXTURE_COUNT; i++) {
        struct rw_incident *incident = fixture(fixture_names[i]);
        struct rw_process_info *process = &incident->processes[0];

        process->interpreter_count = 0;
        for (size_t j = 0; j < process->thread_count; j++) {
            struct rw_thread *thread = &process->threads[j];

            thread->thread_state_count = 0;
            thread->is_daemon = -1;
            thread->creator_interpreter = -1;
            if (thread->waits_on)
                thread->waits_on->owner.tid = -1;
        }
        rw_diagnose(incident);
        for (size_t j = 0; j < incident->verdict.culprit_count; j++)
            assert_string_not_equal(incident->verdict.culprits[j].role, "blocker");
        assert_int_not_equal(incident->verdict.certainty, RW_EXACT);
        talloc_free(incident);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whoever_is_blamed_is_pointed_at_by_what_is_left),
        cmocka_unit_test(without_owners_there_are_no_culprits_but_those_who_wait),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
