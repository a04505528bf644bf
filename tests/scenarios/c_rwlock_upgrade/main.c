/* SPDX-License-Identifier: MIT */
#include <pthread.h>

static pthread_rwlock_t table_lock = PTHREAD_RWLOCK_INITIALIZER;
static int table;

static void *upgrader(void *unused)
{
    pthread_setname_np(pthread_self(), "upgrader");
    pthread_rwlock_rdlock(&table_lock);
    if (table == 0) {
        pthread_rwlock_wrlock(&table_lock); /* HERE wants-to-write */
        table = 1;
    }
    pthread_rwlock_unlock(&table_lock);
    return unused;
}

int main(void)
{
    pthread_t thread;
    pthread_create(&thread, NULL, upgrader, NULL);
    pthread_join(thread, NULL);
    return 0;
}
