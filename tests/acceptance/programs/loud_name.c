/* SPDX-License-Identifier: MIT */
/* A thread whose name would colour a terminal, and begin a line that a CI takes for a command, locks twice.
 */
#include <pthread.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static void *lock_twice(void *nothing)
{
    pthread_setname_np(pthread_self(), "\033[31mred\n::err");
    pthread_mutex_lock(&lock);
    pthread_mutex_lock(&lock);
    return nothing;
}

int main(void)
{
    pthread_t thread;
    pthread_create(&thread, NULL, lock_twice, NULL);
    pthread_join(thread, NULL);
    return 0;
}
