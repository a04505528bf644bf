/* SPDX-License-Identifier: MIT */
/*
 * Lock orders that could be deadlocks, and runs that try to make them so. With lock_order=1 a run tells of
 * orders that contradict each other; from then on perturbed runs are steered, now to one of them and now to
 * another: each of its threads waits before its second lock for the others to have their first.
 */
#include <stdlib.h>
#include <string.h>

#include <talloc.h>

#include "tools/command/hunt.h"
#include "tools/diagnosis/lock_rings.h"

bool rw_hunt_is_candidate(const struct hunt_failure *failure)
{
    return strcmp(failure->class, "lock-order") == 0;
}

/* Delays alone: serial mode decides by itself who goes on where. */
struct hunt_candidate *rw_hunt_aim(struct hunt *hunt)
{
    struct hunt_candidate *aim = NULL;
    for (size_t i = 0; i < hunt->candidate_count; i++) {
        struct hunt_candidate *candidate = &hunt->candidates[i];
        if (candidate->run == 0 && candidate->steer != NULL && (aim == NULL || candidate->runs < aim->runs))
            aim = candidate;
    }
    return aim;
}

/* The call that took the lock: its innermost frame that is not ours. */
static uint64_t return_address(const struct rw_lock_place *place)
{
    for (size_t i = 0; i < place->native_count; i++)
        if (!place->native[i].is_shim)
            return place->native[i].pc;
    return 0;
}

/* As shim/perturb_steer.h has it; false where it is not known. */
static bool add_call(char **steer, const char *kind, const struct rw_lock_place *place)
{
    uint64_t address = return_address(place);
    if (kind != NULL && strcmp(kind, "gil") == 0)
        *steer = talloc_asprintf_append(*steer, ",g");
    else if (kind != NULL && strcmp(kind, "python-lock") == 0 && place->python_count > 0)
        *steer = talloc_asprintf_append(*steer, ",p%d", place->python[0].line);
    else if (address != 0)
        *steer = talloc_asprintf_append(*steer, ",n%x", (unsigned)(address & 4095));
    else
        return false;
    return true;
}

static int compare(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static bool is_known(const struct hunt *hunt, const char *key)
{
    for (size_t i = 0; i < hunt->candidate_count; i++)
        if (strcmp(hunt->candidates[i].key, key) == 0)
            return true;
    return false;
}

static void add_ring(void *context, const struct rw_process_info *process,
                     const struct rw_lock_edge_info *const ring[], size_t length)
{
    struct hunt *hunt = context;
    struct hunt_candidate candidate = {.places = talloc_zero_array(hunt, const char *, (unsigned)length)};
    char *steer = talloc_asprintf(hunt, "%zu", length), *key = talloc_strdup(hunt, "");
    bool has_all = true;
    (void)process;
    for (size_t i = 0; i < length; i++) {
        const char *place = rw_lock_place_words(hunt, &ring[i]->to_place);
        if (place != NULL)
            candidate.places[candidate.place_count++] = talloc_strdup(hunt, place);
        candidate.has_gil |= ring[i]->to_kind != NULL && strcmp(ring[i]->to_kind, "gil") == 0;
        has_all = add_call(&steer, ring[i]->to_kind, &ring[i]->to_place) && has_all;
    }
    qsort(candidate.places, candidate.place_count, sizeof(candidate.places[0]), compare);
    for (size_t i = 0; i < candidate.place_count; i++)
        key = talloc_asprintf_append(key, "%s|", candidate.places[i]);
    if (is_known(hunt, key))
        return;
    candidate.key = key;
    candidate.steer = has_all ? steer : NULL;
    hunt->candidates =
        talloc_realloc(hunt, hunt->candidates, struct hunt_candidate, (unsigned)hunt->candidate_count + 1);
    hunt->candidates[hunt->candidate_count++] = candidate;
}

static bool has_place(const struct hunt_candidate *candidate, const char *place)
{
    for (size_t i = 0; i < candidate->place_count; i++)
        if (strcmp(candidate->places[i], place) == 0)
            return true;
    return false;
}

/* Who has the other lock may be asked for the GIL at any line, so one place is enough where both rings have
 * it. */
static bool is_same_ring(const struct hunt_candidate *candidate, const struct rw_verdict *verdict)
{
    bool is_first = has_place(candidate, verdict->look_at);
    bool is_second = verdict->look_at_also != NULL && has_place(candidate, verdict->look_at_also);
    bool has_gil = candidate->has_gil && strstr(verdict->sentence, "the GIL") != NULL;
    return (is_first && (is_second || verdict->look_at_also == NULL)) || (has_gil && (is_first || is_second));
}

/* A ring of threads that wait where the candidate's take their second locks. */
static void confirm(struct hunt *hunt, uint64_t seed, const struct rw_verdict *verdict)
{
    for (size_t i = 0; i < hunt->candidate_count; i++) {
        struct hunt_candidate *candidate = &hunt->candidates[i];
        if (candidate->run == 0 && is_same_ring(candidate, verdict)) {
            candidate->run = hunt->runs;
            candidate->seed = seed;
        }
    }
}

void rw_hunt_candidates_see(struct hunt *hunt, enum hunt_how how, uint64_t seed,
                            const struct rw_incident *incident)
{
    const struct rw_verdict *verdict = &incident->verdict;
    if (how != HUNT_PLAIN && strcmp(verdict->class_name, "cycle") == 0 && verdict->look_at != NULL &&
        verdict->sentence != NULL)
        confirm(hunt, seed, verdict);
    for (size_t i = 0; i < incident->process_count; i++)
        rw_lock_rings(&incident->processes[i], add_ring, hunt);
}
