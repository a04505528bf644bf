/* SPDX-License-Identifier: MIT */
/* What the subject can do, by name. A case returns 0 when all that it checked itself was right; one that
 * hangs on purpose waits to be killed. */
#ifndef RACEWATCH_TESTS_SUBJECT_CASES_H
#define RACEWATCH_TESTS_SUBJECT_CASES_H

#include <stdio.h>

#define CHECK(condition)                                                                                     \
    do {                                                                                                     \
        if (!(condition)) {                                                                                  \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);                                  \
            return 1;                                                                                        \
        }                                                                                                    \
    } while (0)

int case_deadlock(void);  /* two threads, two mutexes, for ever */
int case_semantics(void); /* results and errno of every wrapped wait, as POSIX has them */
int case_cancel(void);    /* cancellation in each wait that is a cancellation point */
int case_versions(void);  /* both versions of the functions that have two */
int case_threads(void);   /* joined, detached, ended by pthread_exit, of the least stack, C11's */
int case_fork(void); /* from a second thread; the child waits for ever for a thread that it does not have */
int case_wait_all(void);        /* wait(-1) has nobody to report; exec of nobody is said to have failed */
int case_subreaper(void);       /* the same where orphans become its children; preloads SUBJECT_PRELOAD */
int case_test(void);            /* says what pytest says */
int case_left(void);            /* a test that leaves things behind, between tests that do not */
int case_undumpable(void);      /* makes itself undumpable and waits for ever */
int case_semaphore_taken(void); /* two threads take one each, and wait for ever */
int case_many_semaphores(void); /* 250 are taken; it and a fork child wait for ever */
int case_many_waits(void);      /* the same wait over and over */
int case_scribble(void); /* fills its own recording with random bytes while it locks, joins and forks */
int case_confined(void); /* forbids itself what the shim would like to call */

int remove_folders(const char *path); /* whenever it is empty, until killed */

#endif
