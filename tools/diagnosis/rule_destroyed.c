/* SPDX-License-Identifier: MIT */
/* A lock that was destroyed while somebody held it or waited for it. */
#include "tools/diagnosis/misuse.h"
#include "tools/incident/words.h"

static struct rw_misuse_words words_of(struct rw_incident *incident, const struct rw_misuse_story *story,
                                       const char *what, bool is_held)
{
    const struct rw_misuse_info *misuse = story->misuse;
    char *object = rw_misuse_object(incident, what, misuse);
    struct rw_misuse_words words = {0};

    rw_append(incident, &words.sentence, "%s destroys %s%s while ", story->who, object, story->at);
    if (misuse->tid == misuse->other_tid)
        rw_append(incident, &words.sentence, "it holds it itself.");
    else
        rw_append(incident, &words.sentence, "%s %s it%s.", story->other, is_held ? "holds" : "waits for",
                  story->other_at);
    words.did = rw_words(incident, "destroys %s%s", object, story->at);
    if (misuse->tid != misuse->other_tid)
        words.other_did = rw_words(incident, "%s it%s", is_held ? "holds" : "waits for", story->other_at);
    return words;
}

/* Who waits was seen to begin; who holds it was not. */
static struct rw_misuse_words tell_mutex(struct rw_incident *incident, const struct rw_misuse_story *story)
{
    return words_of(incident, story, "mutex", story->misuse->other_ns == 0);
}

static struct rw_misuse_words tell_condition(struct rw_incident *incident,
                                             const struct rw_misuse_story *story)
{
    return words_of(incident, story, "condition variable", false);
}

static struct rw_misuse_words tell_semaphore(struct rw_incident *incident,
                                             const struct rw_misuse_story *story)
{
    return words_of(incident, story, "semaphore", false);
}

void rw_rule_destroyed(struct rw_diagnosis *diagnosis)
{
    rw_tell_misuses(diagnosis, "mutex-destroyed", "destroyed-in-use", tell_mutex);
    rw_tell_misuses(diagnosis, "condition-destroyed", "destroyed-in-use", tell_condition);
    rw_tell_misuses(diagnosis, "semaphore-destroyed", "destroyed-in-use", tell_semaphore);
}
