/* SPDX-License-Identifier: MIT */
#include <pthread.h>

static pthread_once_t is_loaded = PTHREAD_ONCE_INIT;

static void load(void);

static void *helper(void *arg)
{
    pthread_once(&is_loaded, load); /* HERE helper-wants */
    return arg;
}

static void load(void)
{
    pthread_t thread;

    pthread_create(&thread, NULL, helper, NULL);
    pthread_setname_np(thread, "helper");
    pthread_join(thread, NULL); /* HERE joins */
}

int main(void)
{
    pthread_once(&is_loaded, load);
    return 0;
}
