/* SPDX-License-Identifier: MIT */
#include <pthread.h>
#include <stddef.h>

static pthread_t worker;

static void *work(void *unused)
{
    return unused;
}

static void *reaper(void *unused)
{
    pthread_setname_np(pthread_self(), "reaper");
    pthread_join(worker, NULL); /* HERE first-join */
    return unused;
}

int main(void)
{
    pthread_t thread;
    pthread_create(&worker, NULL, work, NULL);
    pthread_create(&thread, NULL, reaper, NULL);
    pthread_join(thread, NULL);
    pthread_join(worker, NULL); /* HERE second-join */
    return 3;
}
