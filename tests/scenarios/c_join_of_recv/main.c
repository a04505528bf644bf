/* SPDX-License-Identifier: MIT */
#include <pthread.h>
#include <sys/socket.h>

static int ends[2];

static void *receiver(void *unused)
{
    char byte;
    pthread_setname_np(pthread_self(), "receiver");
    recv(ends[0], &byte, 1, 0); /* HERE receives */
    return unused;
}

int main(void)
{
    pthread_t thread;
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends))
        return 1;
    pthread_create(&thread, NULL, receiver, NULL);
    pthread_join(thread, NULL);
    return 0;
}
