/* SPDX-License-Identifier: MIT */
/*
 * Two processes that have the ends of all there is between them, and threads of the first that wait, each in
 * a function of its own. Writes "ready" to its stdout when all have been made, and a line for each wait that
 * ends, which none may.
 */
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <semaphore.h>
#include <signal.h>
#include <unistd.h>

static int full[2], own[2], empty[2], pair[2], wide[2], event, listener, tcp[2], locked, left, epoll;
static sem_t *shared;
static pid_t child;

static void ended(const char *what)
{
    char line[100];
    int length = snprintf(line, sizeof(line), "%s ended\n", what);

    if (write(1, line, (size_t)length) < 0)
        abort();
}

#define WAITER(name, ...)                                                                                    \
    __attribute__((noinline)) static void *name(void *opaque)                                                \
    {                                                                                                        \
        char bytes[200000] = {0};                                                                            \
        __VA_ARGS__;                                                                                         \
        ended(#name);                                                                                        \
        bytes[0]++;                                                                                          \
        return opaque;                                                                                       \
    }

WAITER(write_full, if (write(full[1], bytes, sizeof(bytes)) < 0) abort())
WAITER(read_own, if (read(own[0], bytes, 1) < 0) abort())
WAITER(read_empty, if (read(empty[0], bytes, 1) < 0) abort())
WAITER(recv_pair, if (recv(pair[0], bytes, 1, 0) < 0) abort())
WAITER(send_wide,
       if (send(wide[0], bytes, sizeof(bytes), 0) < 0 || send(wide[0], bytes, sizeof(bytes), 0) < 0) abort())
WAITER(recv_tcp, if (recv(tcp[0], bytes, 1, 0) < 0) abort())
WAITER(poll_event, struct pollfd one = {event, POLLIN, 0}; poll(&one, 1, -1))
WAITER(select_two, fd_set set; FD_ZERO(&set); FD_SET(empty[0], &set); FD_SET(pair[0], &set);
       select(FD_SETSIZE, &set, NULL, NULL, NULL))
WAITER(epoll_pair, struct epoll_event one; epoll_wait(epoll, &one, 1, -1))
WAITER(accept_any, accept(listener, NULL, NULL))
WAITER(wait_child, waitpid(child, NULL, 0))
WAITER(lock_file, flock(locked, LOCK_EX))
WAITER(lock_left, flock(left, LOCK_EX))
WAITER(wait_shared, sem_wait(shared))

static void *(*const waiters[])(void *) = {write_full, read_own,   read_empty, recv_pair,  send_wide,
                                           recv_tcp,   poll_event, select_two, epoll_pair, accept_any,
                                           wait_child, lock_file,  lock_left,  wait_shared};

static void need(int result)
{
    if (result < 0) {
        perror("ends");
        exit(1);
    }
}

int main(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof(address);
    char path[] = "/tmp/ends-XXXXXX", other_path[] = "/tmp/ends-XXXXXX";
    int told[2], taken;
    char byte;

    need(pipe(full) | pipe(own) | pipe(empty) | pipe(told));
    need(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) | socketpair(AF_UNIX, SOCK_STREAM, 0, wide));
    need(event = eventfd(0, 0));
    need(listener = socket(AF_INET, SOCK_STREAM, 0));
    need(bind(listener, (struct sockaddr *)&address, length) | listen(listener, 1));
    need(getsockname(listener, (struct sockaddr *)&address, &length));
    need(tcp[0] = socket(AF_INET, SOCK_STREAM, 0));
    need(connect(tcp[0], (struct sockaddr *)&address, length));
    need(tcp[1] = accept(listener, NULL, NULL));
    need(mkstemp(path));
    need(taken = mkstemp(other_path));
    need(flock(taken, LOCK_EX));
    shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    need(sem_init(shared, 1, 0));
    child = fork();
    need(child);
    if (child == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        close(1);
        int file = open(path, O_RDWR);
        need(file | flock(file, LOCK_EX));
        close(full[1]), close(own[0]), close(own[1]), close(empty[0]), close(pair[0]), close(wide[0]),
            close(tcp[0]);
        close(event), close(listener);
        need((int)write(told[1], "", 1));
        for (;;)
            pause();
    }
    need(left = open(other_path, O_RDWR)); /* the lock that was taken here is the child's alone, now */
    close(taken), unlink(other_path);
    close(full[0]), close(empty[1]), close(pair[1]), close(wide[1]), close(tcp[1]);
    need((int)read(told[0], &byte, 1));
    need(locked = open(path, O_RDWR));
    unlink(path);
    need(epoll = epoll_create1(0));
    struct epoll_event want = {.events = EPOLLIN};
    need(epoll_ctl(epoll, EPOLL_CTL_ADD, pair[0], &want));
    for (size_t i = 0; i < sizeof(waiters) / sizeof(waiters[0]); i++) {
        pthread_t thread;
        if (pthread_create(&thread, NULL, waiters[i], NULL))
            return 1;
    }
    need((int)write(1, "ready\n", 6));
    for (;;)
        pause();
}
