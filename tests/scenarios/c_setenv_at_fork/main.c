/* SPDX-License-Identifier: MIT */
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static atomic_bool is_over;

/* The environment's lock is held for long: there is much to look through. */
static void *writer(void *arg)
{
    char value[32];

    pthread_setname_np(pthread_self(), "writer");
    for (unsigned i = 0; !atomic_load(&is_over); i++) {
        snprintf(value, sizeof(value), "%u", i);
        setenv("LAST_OF_ALL", value, 1);
    }
    return arg;
}

int main(void)
{
    pthread_t thread;
    char name[32];

    for (unsigned i = 0; i < 20000; i++) {
        snprintf(name, sizeof(name), "NAME_%u", i);
        setenv(name, "x", 1);
    }
    setenv("LAST_OF_ALL", "x", 1);
    pthread_create(&thread, NULL, writer, NULL);
    usleep(100000);
    pid_t child = fork();
    if (child == 0) {
        setenv("NAME_1", "y", 1); /* HERE child-wants */
        _exit(0);
    }
    atomic_store(&is_over, true);
    waitpid(child, NULL, 0);
    return 0;
}
