/* SPDX-License-Identifier: MIT */
/* A thread that was joined or detached when its handle was no longer anybody's to use. */
#include "tools/diagnosis/misuse.h"
#include "tools/incident/words.h"

/* What was done before, of somebody and of the thread. The join may still wait. */
struct before {
    const char *by, *to, *since;
};

static const struct before joined = {"begun to join", "joined", "once that join returns"};
static const struct before detached = {"detached", "detached", "once the thread has ended"};
static const struct before gone = {"joined or detached", "joined or detached", "from then on"};

static struct rw_misuse_words words_of(struct rw_incident *incident, const struct rw_misuse_story *story,
                                       const char *now, const struct before *before)
{
    const struct rw_misuse_info *misuse = story->misuse;
    struct rw_misuse_words words = {0};

    rw_append(incident, &words.sentence, "%s %s a thread%s (pthread_t 0x%llx)", story->who, now, story->at,
              (unsigned long long)misuse->object);
    if (story->other && misuse->tid == misuse->other_tid)
        rw_append(incident, &words.sentence, " that it had %s itself%s%s", before->by, story->ago,
                  story->other_at);
    else if (story->other)
        rw_append(incident, &words.sentence, " that %s had %s%s%s", story->other, before->by, story->ago,
                  story->other_at);
    else
        rw_append(incident, &words.sentence, " that had been %s", before->to);
    rw_append(incident, &words.sentence, ": %s the handle is another thread's, or nobody's.", before->since);
    words.did = rw_words(incident, "%s the thread%s", now, story->at);
    if (misuse->tid != misuse->other_tid)
        words.other_did = rw_words(incident, "had %s it%s%s", before->by, story->ago, story->other_at);
    return words;
}

static struct rw_misuse_words tell_joined(struct rw_incident *incident, const struct rw_misuse_story *story)
{
    return words_of(incident, story, "joins", &joined);
}

static struct rw_misuse_words tell_detached(struct rw_incident *incident, const struct rw_misuse_story *story)
{
    return words_of(incident, story, "joins", &detached);
}

static struct rw_misuse_words tell_gone(struct rw_incident *incident, const struct rw_misuse_story *story)
{
    return words_of(incident, story, "detaches", &gone);
}

void rw_rule_bad_join(struct rw_diagnosis *diagnosis)
{
    rw_tell_misuses(diagnosis, "join-of-joined", "bad-join", tell_joined);
    rw_tell_misuses(diagnosis, "join-of-detached", "bad-join", tell_detached);
    rw_tell_misuses(diagnosis, "detach-of-gone", "bad-join", tell_gone);
}
