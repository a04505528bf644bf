/* SPDX-License-Identifier: MIT */
#include <pthread.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <unistd.h>

static int wake;

static void *logger(void *unused)
{
    uint64_t value;

    pthread_setname_np(pthread_self(), "logger");
    return read(wake, &value, sizeof(value)) < 0 ? NULL : unused; /* HERE logger-reads */
}

int main(void)
{
    uint64_t value;
    pthread_t thread;

    wake = eventfd(0, EFD_CLOEXEC);
    pthread_create(&thread, NULL, logger, NULL);
    return (int)read(wake, &value, sizeof(value)); /* HERE main-reads */
}
