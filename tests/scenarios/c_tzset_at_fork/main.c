/* SPDX-License-Identifier: MIT */
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define CHILDREN 300

static atomic_bool is_over;

static void *clock_face(void *arg)
{
    struct tm broken_down;
    time_t now = 0;

    pthread_setname_np(pthread_self(), "clock-face");
    while (!atomic_load(&is_over))
        localtime_r(&now, &broken_down);
    return arg;
}

int main(void)
{
    pthread_t threads[2];
    pid_t children[CHILDREN];

    for (int i = 0; i < 2; i++)
        pthread_create(&threads[i], NULL, clock_face, NULL);
    for (int i = 0; i < CHILDREN; i++) {
        children[i] = fork();
        if (children[i] == 0) {
            struct tm broken_down;
            time_t now = 0;
            localtime_r(&now, &broken_down); /* HERE child-wants */
            _exit(0);
        }
    }
    atomic_store(&is_over, true);
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    for (int i = 0; i < CHILDREN; i++)
        waitpid(children[i], NULL, 0);
    return 0;
}
