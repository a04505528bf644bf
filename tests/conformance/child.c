/* SPDX-License-Identifier: MIT */
/* A child of another kind than its parent: of 32 bits, linked statically, or set-user-ID. */
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

static void *count(void *number)
{
    ++*(int *)number;
    return NULL;
}

int main(void)
{
    int number = 20;
    pthread_t thread;
    if (pthread_create(&thread, NULL, count, &number) || pthread_join(thread, NULL))
        return 1;
    return number + (getuid() != geteuid()); /* 22 if it is set-user-ID, and not root's */
}
