/* SPDX-License-Identifier: MIT */
/* An extension with a lock of its own, for kernels.py: what matters is who has the GIL when it is taken. */
#include <pthread.h>

static pthread_mutex_t ledger = PTHREAD_MUTEX_INITIALIZER;

void call_with_ledger(void (*call)(void))
{
    pthread_mutex_lock(&ledger);
    call();
    pthread_mutex_unlock(&ledger);
}

int count_in_ledger(void)
{
    static int entries;
    pthread_mutex_lock(&ledger);
    int count = ++entries;
    pthread_mutex_unlock(&ledger);
    return count;
}
