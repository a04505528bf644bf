/* SPDX-License-Identifier: MIT */
#include <pthread.h>

static pthread_mutex_t journal;

static void *dies(void *unused)
{
    pthread_mutex_lock(&journal);
    return unused;
}

static void *next(void *unused)
{
    pthread_setname_np(pthread_self(), "next");
    pthread_mutex_lock(&journal); /* HERE wants-it */
    return unused;
}

int main(void)
{
    pthread_mutexattr_t kind;
    pthread_t thread;

    pthread_mutexattr_init(&kind);
    pthread_mutexattr_setrobust(&kind, PTHREAD_MUTEX_ROBUST);
    pthread_mutex_init(&journal, &kind);
    pthread_create(&thread, NULL, dies, NULL);
    pthread_join(thread, NULL);
    pthread_mutex_lock(&journal); /* EOWNERDEAD: it has it now, and neither repairs it nor lets go of it */
    pthread_create(&thread, NULL, next, NULL);
    pthread_join(thread, NULL); /* HERE joins */
    return 0;
}
