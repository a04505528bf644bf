/* SPDX-License-Identifier: MIT */
#include <pthread.h>
#include <unistd.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static __attribute__((noinline)) void breaks_here(void)
{
    __asm__ volatile("");
}

static void *worker(void *arg)
{
    pthread_mutex_lock(&lock);
    breaks_here();
    pthread_mutex_unlock(&lock);
    return arg;
}

static int inferior(void)
{
    pthread_t threads[2];

    for (int i = 0; i < 2; i++)
        pthread_create(&threads[i], NULL, worker, NULL);
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    return 0;
}

/* Without an argument it becomes the debugger of itself. */
int main(int argc, char **argv)
{
    if (argc > 1)
        return inferior();
    execlp("gdb", "gdb", "-batch", "-nx", "-return-child-result", "-ex", "set startup-with-shell off", "-ex",
           "break breaks_here", "-ex", "run", "-ex", "shell sleep 3", "-ex", "continue", "-ex",
           "shell sleep 3", "-ex", "continue", "--args", argv[0], "inferior", (char *)NULL);
    return 1;
}
