/* SPDX-License-Identifier: MIT */
/* A thread that was created when the program was about to end, and that nobody waited for. */
#include <string.h>

#include "tools/diagnosis/misuse.h"
#include "tools/incident/words.h"

static const char *ending_words(const char *ending)
{
    if (ending && strcmp(ending, "finalize") == 0)
        return "Python's finalisation had begun";
    return ending && strcmp(ending, "exit") == 0 ? "exit had begun" : "main had returned";
}

static struct rw_misuse_words tell(struct rw_incident *incident, const struct rw_misuse_story *story)
{
    const struct rw_misuse_info *misuse = story->misuse;
    const char *late = story->other ? story->other
                       : misuse->other_name
                           ? rw_words(incident, "'%s', which never got to run,", misuse->other_name)
                           : "A thread that never got to run";
    const char *after = rw_short_time(incident, misuse->other_ns, misuse->time_ns);
    struct rw_misuse_words words = {0};

    rw_append(incident, &words.sentence, "%s was created by %s%s, %s after %s, and ", late, story->who,
              story->at, after, ending_words(misuse->ending));
    if (strcmp(misuse->outcome, "cut") == 0)
        rw_append(incident, &words.sentence, "was ended before it had done its work.");
    else
        rw_append(incident, &words.sentence, "the program ended without waiting for it.");
    words.did =
        rw_words(incident, "created a thread%s, %s after %s", story->at, after, ending_words(misuse->ending));
    words.other_did =
        rw_words(incident, "came too late: nobody joined it, and it did not end by itself%s%s",
                 misuse->other_where ? "; it began in " : "", misuse->other_where ? misuse->other_where : "");
    return words;
}

void rw_rule_late_thread(struct rw_diagnosis *diagnosis)
{
    rw_tell_misuses(diagnosis, "late-thread", "late-thread", tell);
}
