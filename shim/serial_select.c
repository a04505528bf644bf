/* SPDX-License-Identifier: MIT */
#include "shim/serial_select.h"

#include <errno.h>
#include <poll.h>
#include <stddef.h>
#include <sys/select.h>

#include "shim/got_patch.h"
#include "shim/recorder.h"
#include "shim/serial_sync.h"

#define MS UINT64_C(1000000)
#define S UINT64_C(1000000000)

typedef int select_call(int count, fd_set *to_read, fd_set *to_write, fd_set *other, struct timeval *length);
typedef int poll_call(struct pollfd *list, nfds_t count, int length_ms);

static select_call *libc_select;
static poll_call *libc_poll;

static bool is_valid(const struct timeval *length)
{
    return length->tv_sec >= 0 && length->tv_usec >= 0 && length->tv_usec < 1000000;
}

/* What both return after a sleep: 0, or -1 and EINTR. */
static int result_of(enum rw_serial_outcome outcome)
{
    if (outcome != RW_SERIAL_INTERRUPTED)
        return 0;
    errno = EINTR;
    return -1;
}

/* Linux says in *length what is left of it. */
static int seen_select(int count, fd_set *to_read, fd_set *to_write, fd_set *other, struct timeval *length)
{
    struct timespec left = {0};
    if (count != 0 || !length || !is_valid(length))
        return libc_select(count, to_read, to_write, other, length);
    uint64_t ns = (uint64_t)length->tv_sec * S + (uint64_t)length->tv_usec * 1000;
    enum rw_serial_outcome outcome = rw_serial_sleep(ns, &left);
    if (outcome == RW_SERIAL_NOT_OURS)
        return libc_select(count, to_read, to_write, other, length);
    *length = (struct timeval){.tv_sec = left.tv_sec, .tv_usec = left.tv_nsec / 1000};
    return result_of(outcome);
}

static int seen_poll(struct pollfd *list, nfds_t count, int length_ms)
{
    enum rw_serial_outcome outcome =
        count == 0 && length_ms >= 0 ? rw_serial_sleep((uint64_t)length_ms * MS, NULL) : RW_SERIAL_NOT_OURS;
    return outcome == RW_SERIAL_NOT_OURS ? libc_poll(list, count, length_ms) : result_of(outcome);
}

enum { SELECT, POLL, COUNT };
static struct rw_got_patch patches[COUNT] = {
    [SELECT] = {"select", seen_select}, [POLL] = {"poll", seen_poll}};

static void tell(int result)
{
    if (result < 0)
        rw_record_problem(-result, "perturb=serial", "sleeps by select() take real time");
}

void rw_serial_select_see(const struct rw_elf_module *module)
{
    tell(rw_got_patch(module, patches, COUNT));
}

void rw_serial_select_install(void)
{
    libc_select = (select_call *)rw_elf_function_defining("select");
    libc_poll = (poll_call *)rw_elf_function_defining("poll");
    if (!libc_select)
        patches[SELECT].name = NULL;
    if (!libc_poll)
        patches[POLL].name = NULL;
    tell(rw_got_patch_loaded(patches, COUNT));
}
