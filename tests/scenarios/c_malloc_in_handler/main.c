/* SPDX-License-Identifier: MIT */
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/time.h>
#include <unistd.h>

static void *volatile kept;

static void on_alarm(int number)
{
    (void)number;
    kept = malloc(5000); /* HERE handler-allocates */
    free(kept);
}

static void *idle(void *arg)
{
    pause();
    return arg;
}

int main(void)
{
    struct itimerval often = {.it_interval.tv_usec = 100, .it_value.tv_usec = 100};
    pthread_t other; /* in a process of one thread malloc takes no lock */

    pthread_create(&other, NULL, idle, NULL);
    signal(SIGALRM, on_alarm);
    setitimer(ITIMER_REAL, &often, NULL);
    for (;;) {
        kept = malloc(6000);
        free(kept);
    }
}
