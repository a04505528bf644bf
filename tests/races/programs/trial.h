/* SPDX-License-Identifier: MIT */
/*
 * A classical race: trial() plays it once, from the beginning, and says whether it was lost (1) or not (0);
 * it may hang or crash as well. The program plays it once, and its exit status tells; with a number, so many
 * times in one process, with a line for each thousand, and the number of lost ones in the end: that is how it
 * fares undisturbed.
 */
#ifndef RACEWATCH_TESTS_RACES_TRIAL_H
#define RACEWATCH_TESTS_RACES_TRIAL_H

#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>

static int trial(void);

/* Runs both at once and waits for both. */
static inline void both(void *(*one)(void *), void *(*other)(void *))
{
    pthread_t threads[2];
    if (pthread_create(&threads[0], NULL, one, NULL) || pthread_create(&threads[1], NULL, other, NULL))
        exit(2);
    pthread_join(threads[0], NULL);
    pthread_join(threads[1], NULL);
}

int main(int argc, char **argv)
{
    long count = argc > 1 ? atol(argv[1]) : 0, lost = 0;
    if (count == 0)
        return trial();
    for (long i = 1; i <= count; i++) {
        lost += trial();
        if (i % 1000 == 0) {
            printf("%ld of %ld\n", lost, i);
            fflush(stdout);
        }
    }
    return 0;
}

#endif
