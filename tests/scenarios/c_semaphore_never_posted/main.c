/* SPDX-License-Identifier: MIT */
#include <semaphore.h>

static sem_t items;

int main(void)
{
    sem_init(&items, 0, 0);
    sem_wait(&items); /* HERE waits */
    return 0;
}
