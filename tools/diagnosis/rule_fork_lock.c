/* SPDX-License-Identifier: MIT */
/* A lock that another thread held at a fork, and that the child then wanted. Where the child waits for it for
 * ever, that is an orphaned lock; here it gave up. */
#include "tools/diagnosis/misuse.h"
#include "tools/incident/words.h"

static struct rw_misuse_words tell(struct rw_incident *incident, const struct rw_misuse_story *story)
{
    const struct rw_misuse_info *misuse = story->misuse;
    char *mutex = rw_misuse_object(incident, "lock", misuse);
    struct rw_misuse_words words = {0};

    rw_append(incident, &words.sentence,
              "%s of process %d, which process %d forked, wants %s%s and gave up: thread %d of process %d "
              "held it at "
              "the fork, and a fork copies only the thread that calls it.",
              story->who, story->process->pid, story->process->ppid, mutex, story->at, misuse->other_tid,
              story->process->ppid);
    words.did = rw_words(incident, "wanted %s%s", mutex, story->at);
    return words;
}

void rw_rule_fork_lock(struct rw_diagnosis *diagnosis)
{
    rw_tell_misuses(diagnosis, "fork-lock", "fork-with-lock", tell);
}
