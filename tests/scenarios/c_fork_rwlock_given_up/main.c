/* SPDX-License-Identifier: MIT */
#include <pthread.h>
#include <semaphore.h>
#include <stddef.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static pthread_rwlock_t table_lock = PTHREAD_RWLOCK_INITIALIZER;
static sem_t written, read_on;

static void *writer(void *unused)
{
    pthread_rwlock_wrlock(&table_lock);
    sem_post(&written);
    sem_wait(&read_on);
    pthread_rwlock_unlock(&table_lock);
    return unused;
}

static int look_up(void)
{
    struct timespec deadline;
    clock_gettime(CLOCK_REALTIME, &deadline);
    deadline.tv_sec += 1;
    return pthread_rwlock_timedrdlock(&table_lock, &deadline); /* HERE want */
}

int main(void)
{
    pthread_t thread;
    int status;
    sem_init(&written, 0, 0);
    sem_init(&read_on, 0, 0);
    pthread_create(&thread, NULL, writer, NULL);
    sem_wait(&written);
    pid_t child = fork();
    if (child == 0)
        _exit(look_up() == 0 ? 0 : 6);
    waitpid(child, &status, 0);
    sem_post(&read_on);
    pthread_join(thread, NULL);
    return WEXITSTATUS(status);
}
