/* SPDX-License-Identifier: MIT */
/*
 * What the rules about misuses share: a misuse is a call that was seen, so a rule of them says in words what
 * the recording says in numbers. Internal to tools/diagnosis.
 */
#ifndef RACEWATCH_TOOLS_DIAGNOSIS_MISUSE_H
#define RACEWATCH_TOOLS_DIAGNOSIS_MISUSE_H

#include "tools/diagnosis/rules.h"

struct rw_misuse_story {
    const struct rw_misuse_info *misuse;
    const struct rw_process_info *process;
    const char *who;   /* "MainThread (tid 10)" */
    const char *other; /* the same; NULL where not known */
    const char *at;    /* " at file.c:12 in f", "" where not known */
    const char *other_at;
    const char *ago; /* " 1.2 ms before", from other_ns to the misuse; "" where not known */
};

/* What a rule adds: the sentence; what each of the two did, for the list of culprits (`other_did` NULL: the
 * other is not among them). */
struct rw_misuse_words {
    char *sentence;
    const char *did;
    const char *other_did;
};

typedef struct rw_misuse_words rw_tell_misuse(struct rw_incident *incident,
                                              const struct rw_misuse_story *story);

/* A finding of that class, exact, for each misuse of that kind that stands. */
void rw_tell_misuses(struct rw_diagnosis *diagnosis, const char *kind, const char *class_name,
                     rw_tell_misuse *tell);

/* "12 us", "1.2 s" */
char *rw_short_time(struct rw_incident *incident, uint64_t from_ns, uint64_t to_ns);

/* "mutex `cache_lock`", "mutex 0x7f.." */
char *rw_misuse_object(struct rw_incident *incident, const char *what, const struct rw_misuse_info *misuse);

#endif
