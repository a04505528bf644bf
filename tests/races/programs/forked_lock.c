/* SPDX-License-Identifier: MIT */
/* A process forks while another of its threads holds a lock, and the child takes it. */
#include <sys/wait.h>
#include <unistd.h>

#include "trial.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER, other = PTHREAD_MUTEX_INITIALIZER;

static void *update(void *unused)
{
    pthread_mutex_lock(&lock);
    pthread_mutex_lock(&other);
    pthread_mutex_unlock(&other);
    pthread_mutex_unlock(&lock);
    return unused;
}

static int trial(void)
{
    pthread_t thread;
    pthread_create(&thread, NULL, update, NULL);
    pid_t child = fork();
    if (child == 0) {
        pthread_mutex_lock(&lock);
        _exit(0);
    }
    waitpid(child, NULL, 0);
    pthread_join(thread, NULL);
    return 0;
}
