/* SPDX-License-Identifier: MIT */
/* What the kernels share. */
#ifndef RACEWATCH_TESTS_LOCK_ORDER_KERNELS_H
#define RACEWATCH_TESTS_LOCK_ORDER_KERNELS_H

#include <pthread.h>
#include <stdbool.h>

extern pthread_mutex_t a, b, c;

/* The kernels' threads run all at once, so that only the locks say what may meet; a turn for each keeps this
 * run from deadlock. It is handed on by nothing that a tool could take for an order of the program's. */
void await_turn(int mine);
void end_turn(void);

void nested(pthread_mutex_t *outer, pthread_mutex_t *inner);

/* Each with its number as argument, all joined. */
void at_once(int count, void *(*const threads[])(void *));

#define AT_ONCE(...)                                                                                         \
    at_once(sizeof((void *(*[])(void *)){__VA_ARGS__}) / sizeof(void *), (void *(*[])(void *)){__VA_ARGS__})

/* told.c and pipes.c. False: it has no kernel of that name. */
bool run_told(const char *name);
bool run_pipes(const char *name);

#endif
