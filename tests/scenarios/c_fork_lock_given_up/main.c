/* SPDX-License-Identifier: MIT */
#include <pthread.h>
#include <stddef.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static pthread_mutex_t log_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_barrier_t locked, forked;

static void *logger(void *unused)
{
    pthread_setname_np(pthread_self(), "logger");
    pthread_mutex_lock(&log_lock);
    pthread_barrier_wait(&locked);
    pthread_barrier_wait(&forked);
    pthread_mutex_unlock(&log_lock);
    return unused;
}

int main(void)
{
    pthread_t thread;
    int status;
    pthread_barrier_init(&locked, NULL, 2);
    pthread_barrier_init(&forked, NULL, 2);
    pthread_create(&thread, NULL, logger, NULL);
    pthread_barrier_wait(&locked);
    if (fork() == 0) {
        struct timespec deadline;
        clock_gettime(CLOCK_REALTIME, &deadline);
        deadline.tv_nsec += 50000000;
        deadline.tv_sec += deadline.tv_nsec / 1000000000;
        deadline.tv_nsec %= 1000000000;
        _exit(pthread_mutex_timedlock(&log_lock, &deadline) == 0 ? 0 : 6); /* HERE want */
    }
    pthread_barrier_wait(&forked);
    pthread_join(thread, NULL);
    wait(&status);
    return WEXITSTATUS(status);
}
