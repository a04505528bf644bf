/* SPDX-License-Identifier: MIT */
/* What must hold of every look at churn.py: where the threads that stand still are, and how those that move
 * may stand. */
#ifndef RACEWATCH_TESTS_CHURN_TRUTH_H
#define RACEWATCH_TESTS_CHURN_TRUTH_H

#include <stddef.h>

#include "tools/incident/incident.h"

struct truth;

/* Reads the file that churn.py wrote; NULL where it cannot be read. A talloc object. */
struct truth *truth_read(void *parent, const char *path);

struct tally {
    size_t looks, standing, moving; /* looks taken; stacks checked */
    size_t missing;                 /* threads that stand still and were not seen, in looks that say so */
    size_t torn;                    /* stacks with frames that are marked as torn */
    size_t unmerged;                /* stacks of which frames have no evaluation loop */
    size_t wrong;
    char first_wrong[8][400];
};

/* Checks one look, counts, and says what is wrong. */
void truth_check(const struct truth *truth, const struct rw_process_info *process, struct tally *tally);

#endif
