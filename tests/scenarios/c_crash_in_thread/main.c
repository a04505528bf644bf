/* SPDX-License-Identifier: MIT */
#include <pthread.h>
#include <stddef.h>

static struct account {
    int balance;
} * account;

static void *audit(void *unused)
{
    pthread_setname_np(pthread_self(), "auditor");
    account->balance++; /* HERE fault */
    return unused;
}

int main(void)
{
    pthread_t thread;
    pthread_create(&thread, NULL, audit, NULL);
    pthread_join(thread, NULL); /* HERE join */
    return 0;
}
