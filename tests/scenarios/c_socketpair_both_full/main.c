/* SPDX-License-Identifier: MIT */
#include <pthread.h>
#include <sys/socket.h>

static int ends[2];

static void *send_all(void *arg)
{
    static char much[1 << 22];
    const int *end = arg;

    pthread_setname_np(pthread_self(), end == ends ? "left" : "right");
    for (ssize_t sent = 0; sent < (ssize_t)sizeof(much);)
        sent += send(*end, much, sizeof(much), 0); /* HERE sends */
    recv(*end, much, 1, 0);
    return NULL;
}

int main(void)
{
    pthread_t left, right;

    if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends))
        return 1;
    pthread_create(&left, NULL, send_all, &ends[0]);
    pthread_create(&right, NULL, send_all, &ends[1]);
    pthread_join(left, NULL);
    pthread_join(right, NULL);
    return 0;
}
