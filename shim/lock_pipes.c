/* SPDX-License-Identifier: MIT */
#include "shim/lock_pipes.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include "shim/got_patch.h"
#include "shim/lock_clock.h"
#include "shim/lock_order.h"
#include "shim/raw.h"
#include "shim/recorder.h"
#include "shim/self.h"

#define OF_FILE (UINT64_C(1) << 62) /* objects of clocks that are files, by number */
#define PAIRS 256u

/* All of these calls get integers and pointers, six at most: one type stands for all. */
typedef long call(long fd, long a, long b, long c, long d, long e);

enum which {
    READ = 0,
    READ_CHK,
    READV,
    RECV,
    RECV_CHK,
    RECVFROM,
    RECVMSG,
    EVENTFD_READ,
    WRITE,
    WRITEV,
    SEND,
    SENDTO,
    SENDMSG,
    EVENTFD_WRITE,
    EVENTFD,
    SOCKETPAIR,
    WHICH_COUNT
};

static call *originals[WHICH_COUNT];

/* The two ends of a pair have numbers of their own, which no later socket has. By hash of the number; one
 * that lost its place to another pair is not known. */
static struct pair {
    uint64_t own, other; /* own: atomic */
} pairs[PAIRS];

static uint64_t mix(uint64_t a, uint64_t b)
{
    uint64_t mixed = (a ^ b * UINT64_C(0xff51afd7ed558ccd)) * UINT64_C(0x9e3779b97f4a7c15);
    return OF_FILE | (mixed >> 2);
}

static struct pair *pair_of(uint64_t number)
{
    return &pairs[number % PAIRS];
}

static void be_other(uint64_t own, uint64_t other)
{
    struct pair *pair = pair_of(own);
    __atomic_store_n(&pair->own, 0, __ATOMIC_RELEASE);
    pair->other = other;
    __atomic_store_n(&pair->own, own, __ATOMIC_RELEASE);
}

static uint64_t other_of(uint64_t own)
{
    const struct pair *pair = pair_of(own);
    return __atomic_load_n(&pair->own, __ATOMIC_ACQUIRE) == own ? pair->other : 0;
}

/* What is written there and read again has one number: of a pipe the file's, of a socket the writing end's.
 * Eventfds are one file for the kernel; they are known by their descriptors. 0: nothing that hands on. */
static uint64_t number_of(int fd, bool is_read)
{
    struct stat status;
    if (rw_raw3(SYS_fstat, fd, (long)&status, 0) != 0)
        return 0;
    uint64_t number = mix(status.st_ino, status.st_dev);
    switch (status.st_mode & S_IFMT) {
    case S_IFIFO:
        return number;
    case S_IFSOCK:
        return is_read ? other_of(number) : number;
    case 0:
        return mix((uint64_t)fd, 0);
    default:
        return 0;
    }
}

/* A program that confined itself is asked nothing: a system call could be the end of it. */
static uint64_t object_of(int fd, bool is_read)
{
    return rw_live && rw_lanes_in_use() != 0 && !rw_is_confined ? number_of(fd, is_read) : 0;
}

static long receive(enum which which, long fd, long a, long b, long c, long d, long e)
{
    long result = originals[which](fd, a, b, c, d, e);
    if (which == EVENTFD_READ ? (int)result == 0 : result > 0) {
        uint64_t object = object_of((int)fd, true);
        if (object != 0)
            rw_order_got_at((const void *)object, NULL);
    }
    return result;
}

static long give(enum which which, long fd, long a, long b, long c, long d, long e)
{
    uint64_t object = object_of((int)fd, false);
    if (object != 0)
        rw_order_hands_on_at((const void *)object);
    return originals[which](fd, a, b, c, d, e);
}

#define CALL(name, way, which)                                                                               \
    static long name(long fd, long a, long b, long c, long d, long e)                                        \
    {                                                                                                        \
        return way(which, fd, a, b, c, d, e);                                                                \
    }
CALL(seen_read, receive, READ)
CALL(seen_read_chk, receive, READ_CHK)
CALL(seen_readv, receive, READV)
CALL(seen_recv, receive, RECV)
CALL(seen_recv_chk, receive, RECV_CHK)
CALL(seen_recvfrom, receive, RECVFROM)
CALL(seen_recvmsg, receive, RECVMSG)
CALL(seen_eventfd_read, receive, EVENTFD_READ)
CALL(seen_write, give, WRITE)
CALL(seen_writev, give, WRITEV)
CALL(seen_send, give, SEND)
CALL(seen_sendto, give, SENDTO)
CALL(seen_sendmsg, give, SENDMSG)
CALL(seen_eventfd_write, give, EVENTFD_WRITE)

/* What was written into another one at that descriptor is nothing to this one. */
static long seen_eventfd(long count, long a, long b, long c, long d, long e)
{
    int fd = (int)originals[EVENTFD](count, a, b, c, d, e);
    struct rw_self *self = fd >= 0 ? rw_enter_without_slot() : NULL;
    if (self) {
        rw_clock_forget(mix((uint64_t)fd, 0));
        rw_leave(self);
    }
    return fd;
}

static uint64_t socket_number(int fd)
{
    struct stat status;
    return rw_raw3(SYS_fstat, fd, (long)&status, 0) == 0 ? mix(status.st_ino, status.st_dev) : 0;
}

static long seen_socketpair(long domain, long type, long protocol, long ends, long d, long e)
{
    long result = originals[SOCKETPAIR](domain, type, protocol, ends, d, e);
    if ((int)result == 0 && !rw_is_confined) {
        const int *fds = (const int *)ends;
        uint64_t first = socket_number(fds[0]), second = socket_number(fds[1]);
        be_other(first, second);
        be_other(second, first);
    }
    return result;
}

static struct rw_got_patch patches[WHICH_COUNT] = {
    [READ] = {"read", seen_read},
    [READ_CHK] = {"__read_chk", seen_read_chk},
    [READV] = {"readv", seen_readv},
    [RECV] = {"recv", seen_recv},
    [RECV_CHK] = {"__recv_chk", seen_recv_chk},
    [RECVFROM] = {"recvfrom", seen_recvfrom},
    [RECVMSG] = {"recvmsg", seen_recvmsg},
    [EVENTFD_READ] = {"eventfd_read", seen_eventfd_read},
    [WRITE] = {"write", seen_write},
    [WRITEV] = {"writev", seen_writev},
    [SEND] = {"send", seen_send},
    [SENDTO] = {"sendto", seen_sendto},
    [SENDMSG] = {"sendmsg", seen_sendmsg},
    [EVENTFD_WRITE] = {"eventfd_write", seen_eventfd_write},
    [EVENTFD] = {"eventfd", seen_eventfd},
    [SOCKETPAIR] = {"socketpair", seen_socketpair},
};

static void tell(int result)
{
    if (result < 0)
        rw_record_problem(-result, "lock_order", "what a module hands on through pipes is not known");
}

void rw_lock_pipes_see(const struct rw_elf_module *module)
{
    tell(rw_got_patch(module, patches, WHICH_COUNT));
}

void rw_lock_pipes_install(void)
{
    for (size_t i = 0; i < WHICH_COUNT; i++) {
        originals[i] = (call *)rw_elf_function_defining(patches[i].name);
        if (!originals[i])
            patches[i].name = NULL;
    }
    tell(rw_got_patch_loaded(patches, WHICH_COUNT));
}
