/* SPDX-License-Identifier: MIT */
/* An interpreter that one thread destroys while another one is at it, or in it. */
#include "tools/diagnosis/misuse.h"
#include "tools/incident/words.h"

static struct rw_misuse_words tell(struct rw_incident *incident, const struct rw_misuse_story *story)
{
    const struct rw_misuse_info *misuse = story->misuse;
    char *which = misuse->interpreter >= 0
                      ? rw_words(incident, "interpreter %lld", (long long)misuse->interpreter)
                      : rw_words(incident, "the interpreter at 0x%llx", (unsigned long long)misuse->object);
    struct rw_misuse_words words = {0};

    rw_append(incident, &words.sentence, "%s begins to destroy %s%s, which %s has been destroying since%s.",
              story->who, which, story->at, story->other, story->ago);
    words.did = rw_words(incident, "begins to destroy %s%s", which, story->at);
    words.other_did = rw_words(incident, "began to destroy it%s", story->ago);
    return words;
}

void rw_rule_interpreter_race(struct rw_diagnosis *diagnosis)
{
    rw_tell_misuses(diagnosis, "interpreter-destroyed-again", "interpreter-race", tell);
}
