/* SPDX-License-Identifier: MIT */
/* Many threads with the smallest stack there is: the shim must not need more of it. */
#include <limits.h>
#include <pthread.h>
#include <stdio.h>

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static int count;

static void *work(void *unused)
{
    pthread_mutex_lock(&mutex);
    count++;
    pthread_mutex_unlock(&mutex);
    return unused;
}

int main(void)
{
    pthread_attr_t attributes;
    pthread_t threads[64];
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, (size_t)PTHREAD_STACK_MIN);
    for (int round = 0; round < 20; round++) {
        for (int i = 0; i < 64; i++)
            if (pthread_create(&threads[i], &attributes, work, NULL))
                return 1;
        for (int i = 0; i < 64; i++)
            pthread_join(threads[i], NULL);
    }
    printf("%d\n", count);
    return count != 20 * 64;
}
