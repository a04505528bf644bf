/* SPDX-License-Identifier: MIT */
/* A mutex that was unlocked by a thread that did not hold it. */
#include "tools/diagnosis/misuse.h"
#include "tools/incident/words.h"

static struct rw_misuse_words tell(struct rw_incident *incident, const struct rw_misuse_story *story)
{
    char *mutex = rw_misuse_object(incident, "mutex", story->misuse);
    struct rw_misuse_words words = {0};

    rw_append(incident, &words.sentence,
              "%s unlocks %s%s, which %s holds: from then on two threads may be where one is meant to be.",
              story->who, mutex, story->at, story->other);
    words.did = rw_words(incident, "unlocks %s%s", mutex, story->at);
    words.other_did = rw_words(incident, "had locked it, and had not unlocked it");
    return words;
}

void rw_rule_foreign_unlock(struct rw_diagnosis *diagnosis)
{
    rw_tell_misuses(diagnosis, "foreign-unlock", "foreign-unlock", tell);
}
