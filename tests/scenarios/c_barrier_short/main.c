/* SPDX-License-Identifier: MIT */
#include <pthread.h>

static pthread_barrier_t start;

static void *runner(void *unused)
{
    pthread_setname_np(pthread_self(), "runner");
    pthread_barrier_wait(&start); /* HERE at-the-barrier */
    return unused;
}

int main(void)
{
    pthread_t threads[2];
    pthread_barrier_init(&start, NULL, 3);
    for (int i = 0; i < 2; i++)
        pthread_create(&threads[i], NULL, runner, NULL);
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    return 0;
}
