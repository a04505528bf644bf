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

static struct rw_got_patch patches[] = {{"select", seen_select}, {"poll", seen_poll}};

void rw_serial_select_see(const struct rw_elf_module *module)
{
    int changed = rw_got_patch(module, patches, sizeof patches / sizeof patches[0]);
    if (changed < 0)
        rw_record_problem(-changed, "perturb=serial", "sleeps by select() take real time");
}

static int see_module(struct dl_phdr_info *info, size_t size, void *unused)
{
    (void)size, (void)unused;
    struct rw_elf_module module;
    if (rw_elf_module_open(&module, info))
        rw_serial_select_see(&module);
    return 0;
}

/* The first module that has a function is who the program would have called: a sanitizer's has its own. */
static uintptr_t function_of(struct rw_got_patch *patch)
{
    struct rw_elf_module module;
    struct rw_elf_function function;
    if (rw_elf_module_defining(patch->name, &module) &&
        rw_elf_module_function(&module, patch->name, &function))
        return function.address;
    patch->name = NULL;
    return 0;
}

void rw_serial_select_install(void)
{
    libc_select = (select_call *)function_of(&patches[0]);
    libc_poll = (poll_call *)function_of(&patches[1]);
    dl_iterate_phdr(see_module, NULL);
}
