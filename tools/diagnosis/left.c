/* SPDX-License-Identifier: MIT */
/* What an earlier test left behind, where the hang of a later one leads to it. A statement of where it comes
 * from, not of who is wrong: the one who waits for it may be. */
#include <string.h>

#include "tools/diagnosis/rules.h"
#include "tools/incident/model.h"
#include "tools/incident/words.h"

static bool is_left(const struct rw_process_info *process, const char *made_in_test)
{
    const char *running = rw_running_test(process);

    return running && made_in_test && *made_in_test && strcmp(made_in_test, running) != 0;
}

/* The first one is said in the sentence, unless it names that test already. */
static void tell(struct rw_incident *incident, struct rw_verdict *finding, bool *is_said, const char *what,
                 const char *test, const char *running)
{
    size_t length = strlen(finding->sentence);

    rw_verdict_evidence(incident, finding, "%s was left by %s; %s hangs on it", what, test, running);
    if (*is_said || strstr(finding->sentence, test))
        return;
    *is_said = true;
    if (length && finding->sentence[length - 1] == '.')
        length--;
    finding->sentence =
        rw_words(incident, "%.*s; %s was left by %s.", (int)length, finding->sentence, what, test);
}

static void tell_interpreter(struct rw_incident *incident, struct rw_verdict *finding, bool *is_said,
                             const struct rw_process_info *process, int64_t id)
{
    for (size_t i = 0; i < process->interpreter_count; i++) {
        const struct rw_interpreter_info *interpreter = &process->interpreters[i];

        if (interpreter->id == id && !interpreter->is_main && is_left(process, interpreter->created_in_test))
            tell(incident, finding, is_said, rw_words(incident, "interpreter %lld", (long long)id),
                 interpreter->created_in_test, rw_running_test(process));
    }
}

void rw_tell_left(struct rw_diagnosis *diagnosis, struct rw_verdict *finding)
{
    struct rw_incident *incident = diagnosis->incident;
    bool is_said = false;

    if (rw_is_race_class(finding->class_name))
        return;
    for (size_t i = 0; i < finding->culprit_count; i++) {
        const struct rw_culprit *culprit = &finding->culprits[i];
        size_t node = rw_graph_node(diagnosis->graph, culprit->pid, culprit->tid);

        if (node == RW_NO_NODE)
            continue;
        const struct rw_process_info *process = diagnosis->graph->nodes[node].process;
        const struct rw_thread *thread = diagnosis->graph->nodes[node].thread;

        if (thread->is_alive && is_left(process, thread->created_in_test))
            tell(incident, finding, &is_said, rw_thread_label(incident, thread), thread->created_in_test,
                 rw_running_test(process));
        if (thread->interpreter_call && strcmp(thread->interpreter_call, "destroy") == 0)
            tell_interpreter(incident, finding, &is_said, process, thread->interpreter_call_id);
    }
}
