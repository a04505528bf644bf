/* SPDX-License-Identifier: MIT */
#include <pthread.h>
#include <stdio.h>

static pthread_mutex_t log_lock = PTHREAD_MUTEX_INITIALIZER;

static __attribute__((noinline)) void write_line(const char *line)
{
    pthread_mutex_lock(&log_lock); /* HERE takes-it-again */
    puts(line);
    pthread_mutex_unlock(&log_lock);
}

static void *writer(void *unused)
{
    pthread_setname_np(pthread_self(), "writer");
    pthread_mutex_lock(&log_lock);
    write_line("rotated");
    pthread_mutex_unlock(&log_lock);
    return unused;
}

int main(void)
{
    pthread_t thread;
    pthread_create(&thread, NULL, writer, NULL);
    pthread_join(thread, NULL);
    return 0;
}
