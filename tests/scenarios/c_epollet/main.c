/* SPDX-License-Identifier: MIT */
#include <sys/epoll.h>
#include <unistd.h>

int main(void)
{
    struct epoll_event event = {.events = EPOLLIN | EPOLLET};
    char half[4];
    int ends[2], set = epoll_create1(0);

    if (set < 0 || pipe(ends) < 0 || write(ends[1], "12345678", 8) != 8)
        return 1;
    epoll_ctl(set, EPOLL_CTL_ADD, ends[0], &event);
    for (ssize_t got = 0; got < 8;) {
        epoll_wait(set, &event, 1, -1); /* HERE waits */
        got += read(ends[0], half, sizeof(half));
    }
    return 0;
}
