/* SPDX-License-Identifier: MIT */
#include <pthread.h>
#include <stddef.h>

static pthread_mutex_t lock;

int main(void)
{
    pthread_mutexattr_t inherits;

    pthread_mutexattr_init(&inherits);
    pthread_mutexattr_setprotocol(&inherits, PTHREAD_PRIO_INHERIT);
    pthread_mutex_init(&lock, &inherits);
    pthread_mutex_lock(&lock);
    pthread_mutex_lock(&lock); /* HERE again */
    return 0;
}
