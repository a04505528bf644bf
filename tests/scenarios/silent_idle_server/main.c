/* SPDX-License-Identifier: MIT */
#include <arpa/inet.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

static int listener;

static void *acceptor(void *unused)
{
    int connection = accept(listener, NULL, NULL);
    close(connection);
    return unused;
}

int main(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    struct itimerspec in_3_s = {.it_value.tv_sec = 3};
    struct epoll_event event = {.events = EPOLLIN};
    int epoll = epoll_create1(0), timer = timerfd_create(CLOCK_MONOTONIC, 0), client;
    pthread_t thread;
    listener = socket(AF_INET, SOCK_STREAM, 0);
    if (bind(listener, (struct sockaddr *)&address, sizeof address) || listen(listener, 1) ||
        getsockname(listener, (struct sockaddr *)&address, &length))
        return 1;
    pthread_create(&thread, NULL, acceptor, NULL);
    timerfd_settime(timer, 0, &in_3_s, NULL);
    epoll_ctl(epoll, EPOLL_CTL_ADD, timer, &event);
    if (epoll_wait(epoll, &event, 1, -1) != 1)
        return 2;
    client = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(client, (struct sockaddr *)&address, sizeof address))
        return 3;
    pthread_join(thread, NULL);
    return 0;
}
