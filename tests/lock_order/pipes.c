/* SPDX-License-Identifier: MIT */
/* Orders of locks that threads keep apart by what one writes and the other one reads, or do not, though
 * something is written. */
#include "kernels.h"

#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

static int there[2], back[2]; /* to read from, to write to */

static void check(bool is_done)
{
    if (!is_done)
        abort();
}

static void give(const int ends[2])
{
    check(write(ends[1], "", 1) == 1);
}

static void get(const int ends[2])
{
    char byte;
    check(read(ends[0], &byte, 1) == 1);
}

static void *a_then_b_then_give(void *unused)
{
    nested(&a, &b);
    give(there);
    return unused;
}

static void *get_then_b_then_a(void *unused)
{
    get(there);
    nested(&b, &a);
    return unused;
}

enum { ROUNDS = 50 };

static void *even_turns(void *unused)
{
    for (int i = 0; i < ROUNDS; i++) {
        nested(&a, &b);
        give(there);
        get(back);
    }
    return unused;
}

static void *odd_turns(void *unused)
{
    for (int i = 0; i < ROUNDS; i++) {
        get(there);
        nested(&b, &a);
        give(back);
    }
    return unused;
}

static void *a_then_b_then_send(void *unused)
{
    nested(&a, &b);
    check(send(there[1], "", 1, 0) == 1);
    return unused;
}

static void *receive_then_b_then_a(void *unused)
{
    char byte;
    struct iovec part = {&byte, 1};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
    check(recvmsg(there[0], &message, 0) == 1);
    nested(&b, &a);
    return unused;
}

static void *a_then_b_then_add(void *unused)
{
    nested(&a, &b);
    check(eventfd_write(there[0], 1) == 0);
    return unused;
}

static void *take_then_b_then_a(void *unused)
{
    eventfd_t count;
    check(eventfd_read(there[0], &count) == 0);
    nested(&b, &a);
    return unused;
}

/* It may go on while the other has still to do it. */
static void *give_then_a_then_b(void *unused)
{
    give(there);
    nested(&a, &b);
    end_turn();
    return unused;
}

static void *get_then_b_then_a_later(void *unused)
{
    get(there);
    await_turn(1);
    nested(&b, &a);
    return unused;
}

/* Both write, as into a log, and nobody of them reads. */
static void *give_around_a_then_b(void *unused)
{
    nested(&a, &b);
    give(there);
    end_turn();
    return unused;
}

static void *give_around_b_then_a(void *unused)
{
    await_turn(1);
    give(there);
    nested(&b, &a);
    return unused;
}

/* What was written into another eventfd that had this descriptor. */
static void *a_then_b_then_other(void *unused)
{
    int other = eventfd(0, 0);
    nested(&a, &b);
    check(eventfd_write(other, 1) == 0);
    close(other);
    there[0] = eventfd(1, 0);
    check(there[0] == other);
    end_turn();
    return unused;
}

static void *take_later(void *unused)
{
    await_turn(1);
    return take_then_b_then_a(unused);
}

bool run_pipes(const char *name)
{
    if (strcmp(name, "pipe") == 0)
        check(pipe(there) == 0), AT_ONCE(a_then_b_then_give, get_then_b_then_a);
    else if (strcmp(name, "pipe_turns") == 0)
        check(pipe(there) == 0 && pipe(back) == 0), AT_ONCE(even_turns, odd_turns);
    else if (strcmp(name, "socket_pair") == 0)
        check(socketpair(AF_UNIX, SOCK_STREAM, 0, there) == 0),
            AT_ONCE(a_then_b_then_send, receive_then_b_then_a);
    else if (strcmp(name, "eventfd") == 0)
        there[0] = eventfd(0, 0), AT_ONCE(a_then_b_then_add, take_then_b_then_a);
    else if (strcmp(name, "pipe_too_early") == 0)
        check(pipe(there) == 0), AT_ONCE(give_then_a_then_b, get_then_b_then_a_later);
    else if (strcmp(name, "pipe_of_a_log") == 0)
        check(pipe(there) == 0), AT_ONCE(give_around_a_then_b, give_around_b_then_a);
    else if (strcmp(name, "other_eventfd") == 0)
        AT_ONCE(a_then_b_then_other, take_later);
    else
        return false;
    return true;
}
