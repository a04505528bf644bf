/* SPDX-License-Identifier: MIT */
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

static atomic_int flag;

static void *spin(void *arg)
{
    pthread_setname_np(pthread_self(), "spinner");
    while (!atomic_load(&flag)) /* HERE spins */
        ;
    return arg;
}

int main(void)
{
    pthread_t thread;

    setenv("PYTEST_CURRENT_TEST", "suite.c::spins (call)", 1); /* as a runner of tests does */
    pthread_create(&thread, NULL, spin, NULL);
    pthread_join(thread, NULL); /* HERE joins */
    return 0;
}
