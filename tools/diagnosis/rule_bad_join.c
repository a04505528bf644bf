/* SPDX-License-Identifier: MIT */
/* A thread that was joined or detached when its handle was no longer anybody's to use. */
#include "tools/diagnosis/misuse.h"
#include "tools/incident/words.h"

static struct rw_misuse_words words_of(struct rw_incident *incident, const struct rw_misuse_story *story,
                                       const char *now, const char *before)
{
    const struct rw_misuse_info *misuse = story->misuse;
    struct rw_misuse_words words = {0};

    rw_append(incident, &words.sentence, "%s %s a thread%s (pthread_t 0x%llx)", story->who, now, story->at,
              (unsigned long long)misuse->object);
    if (story->other && misuse->tid == misuse->other_tid)
        rw_append(incident, &words.sentence, " that it had %s itself%s%s", before, story->ago,
                  story->other_at);
    else if (story->other)
        rw_append(incident, &words.sentence, " that %s had %s%s%s", story->other, before, story->ago,
                  story->other_at);
    else
        rw_append(incident, &words.sentence, " that had been %s", before);
    rw_append(incident, &words.sentence, ": the handle is another thread's from then on, or nobody's.");
    words.did = rw_words(incident, "%s the thread%s", now, story->at);
    if (misuse->tid != misuse->other_tid)
        words.other_did = rw_words(incident, "had %s it%s%s", before, story->ago, story->other_at);
    return words;
}

static struct rw_misuse_words tell_joined(struct rw_incident *incident, const struct rw_misuse_story *story)
{
    return words_of(incident, story, "joins", "joined");
}

static struct rw_misuse_words tell_detached(struct rw_incident *incident, const struct rw_misuse_story *story)
{
    return words_of(incident, story, "joins", "detached");
}

static struct rw_misuse_words tell_gone(struct rw_incident *incident, const struct rw_misuse_story *story)
{
    return words_of(incident, story, "detaches", "joined or detached");
}

void rw_rule_bad_join(struct rw_diagnosis *diagnosis)
{
    rw_tell_misuses(diagnosis, "join-of-joined", "bad-join", tell_joined);
    rw_tell_misuses(diagnosis, "join-of-detached", "bad-join", tell_detached);
    rw_tell_misuses(diagnosis, "detach-of-gone", "bad-join", tell_gone);
}
