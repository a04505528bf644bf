/* SPDX-License-Identifier: MIT */
#include <semaphore.h>
#include <signal.h>

static sem_t table;

static void reload(int number)
{
    (void)number;
    sem_wait(&table); /* HERE handler-waits */
    sem_post(&table);
}

int main(void)
{
    sem_init(&table, 0, 1);
    signal(SIGHUP, reload);
    sem_wait(&table);
    raise(SIGHUP);
    sem_post(&table);
    return 0;
}
