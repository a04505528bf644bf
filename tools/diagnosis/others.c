/* SPDX-License-Identifier: MIT */
/* What the other threads of a process do, in a clause of the verdict's sentence. */
#include <string.h>

#include "tools/diagnosis/rules.h"
#include "tools/incident/model.h"
#include "tools/incident/wait_kinds.h"
#include "tools/incident/words.h"

static bool is_parked(const struct rw_thread *thread)
{
    return rw_wait_kind_of(thread->waits_on)->ends == RW_ENDS_NEVER;
}

/* Those that will never run again, before those that only wait. */
static size_t move_parked_ahead(const struct rw_thread **others, size_t count)
{
    size_t parked = 0;

    for (size_t i = 0; i < count; i++) {
        const struct rw_thread *thread = others[i];

        if (!is_parked(thread))
            continue;
        memmove(&others[parked + 1], &others[parked], (i - parked) * sizeof *others);
        others[parked++] = thread;
    }
    return parked;
}

/* "'w' (tid 7) waits for lock `a` held by MainThread at x.py:3 in job" */
static char *other_words(struct rw_diagnosis *diagnosis, const struct rw_process_info *process,
                         const struct rw_thread *other, const char *between)
{
    struct rw_incident *incident = diagnosis->incident;
    const struct rw_graph *graph = diagnosis->graph;
    size_t node = rw_graph_node(graph, process->pid, other->tid), *chain;
    bool is_for_somebody = node != RW_NO_NODE && rw_sure_chain(diagnosis, node, &chain) > 0;

    return rw_words(incident, "%s%s %s%s", rw_thread_label(incident, other), between,
                    is_for_somebody ? rw_edge_words(diagnosis, &graph->edges[chain[0]], true)
                                    : rw_doing_words(incident, process, other),
                    rw_at_place(diagnosis, other));
}

/* " ('a', 'b', 'c', ...)": too many to say of each what it does. */
static void append_names(struct rw_incident *incident, char **sentence, const struct rw_process_info *process,
                         const struct rw_thread **others, size_t count, size_t parked)
{
    size_t all = parked ? parked : count, named = all < RW_NAMED_OTHERS ? all : RW_NAMED_OTHERS;

    for (size_t i = 0; i < named; i++)
        rw_append(incident, sentence, "%s%s", i ? ", " : " (",
                  rw_thread_short_label(incident, process, others[i]));
    rw_append(incident, sentence, "%s%s)", all > named ? ", ..." : "",
              parked > 1 ? " for ever: Python has parked them"
              : parked   ? " for ever: Python has parked it"
                         : "");
}

void rw_tell_others(struct rw_diagnosis *diagnosis, char **sentence, const struct rw_process_info *process,
                    const struct rw_thread **others, size_t count)
{
    struct rw_incident *incident = diagnosis->incident;
    size_t parked = move_parked_ahead(others, count);

    if (count == 1) {
        rw_append(incident, sentence, "; the only other thread, %s",
                  other_words(diagnosis, process, others[0], ","));
    } else if (count == 2 && !parked) {
        rw_append(incident, sentence, "; the two other threads wait as well: %s, and %s",
                  other_words(diagnosis, process, others[0], ""),
                  other_words(diagnosis, process, others[1], ""));
    } else {
        rw_append(incident, sentence, "; all %zu other threads wait as well", count);
        append_names(incident, sentence, process, others, count, parked);
    }
}
