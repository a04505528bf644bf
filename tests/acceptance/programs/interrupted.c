/* SPDX-License-Identifier: MIT */
/*
 * For serial mode: a thread that waits is held by a signal handler, which waits for what another thread does.
 * Whoever is chosen meanwhile must have its turn later. Exit status 0. Needs nothing of racewatch.
 */
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <unistd.h>

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static int entered[2], left[2], turns;

static void check(bool is_right)
{
    if (!is_right)
        abort();
}

static void stay(int signal)
{
    char byte = (char)signal;
    check(write(entered[1], &byte, 1) == 1);
    check(read(left[0], &byte, 1) == 1);
}

static void *is_held(void *unused)
{
    pthread_mutex_lock(&mutex);
    turns++;
    pthread_mutex_unlock(&mutex);
    return unused;
}

static void *lets_go(void *unused)
{
    pthread_mutex_lock(&mutex);
    pthread_mutex_unlock(&mutex);
    check(write(left[1], "", 1) == 1);
    return unused;
}

int main(void)
{
    enum { ROUNDS = 4 };
    char byte;
    struct sigaction action = {.sa_handler = stay};
    check(sigaction(SIGUSR1, &action, NULL) == 0 && pipe(entered) == 0 && pipe(left) == 0);
    for (int i = 0; i < ROUNDS; i++) {
        pthread_t one, two;
        pthread_mutex_lock(&mutex);
        check(pthread_create(&one, NULL, is_held, NULL) == 0);
        check(pthread_kill(one, SIGUSR1) == 0 && read(entered[0], &byte, 1) == 1);
        check(pthread_create(&two, NULL, lets_go, NULL) == 0);
        pthread_mutex_unlock(&mutex);
        pthread_join(one, NULL);
        pthread_join(two, NULL);
    }
    return turns != ROUNDS;
}
