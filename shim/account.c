/* SPDX-License-Identifier: MIT */
#include "shim/account.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>

#include "shim/raw.h"
#include "shim/recording_file.h"
#include "shim/self.h"
#include "shim/slot.h"
#include "shim/text.h"

/* A new descriptor gets the lowest number that is free, so there is nothing far above the last one but what
 * somebody put there on purpose, or what stayed there when those below it were closed. */
#define REACH 32u
#define DESCRIPTORS_MAX 1024u

struct there {
    bool knows_descriptors;
    uint32_t threads, interpreters, descriptors;
    uint32_t limit; /* descriptors from here on were not looked at */
    uint64_t open[DESCRIPTORS_MAX / 64];
};

static struct there before, after;

static bool is_open(const struct there *there, uint32_t fd)
{
    return there->open[fd / 64] >> fd % 64 & 1;
}

/* F_GETFD looks at the descriptor alone. poll() would find all of them at once, and take from the program
 * what a file tells by it only once, as /proc/self/mounts does. */
static void find_descriptors(struct there *there)
{
    uint32_t end = 0, fd = 0;
    rw_zero(there->open, sizeof there->open);
    there->descriptors = 0;
    there->knows_descriptors = !rw_is_confined;
    for (; there->knows_descriptors && fd < end + REACH && fd < DESCRIPTORS_MAX; fd++) {
        long flags = rw_raw3(SYS_fcntl, fd, F_GETFD, 0);
        if (flags >= 0) {
            there->open[fd / 64] |= UINT64_C(1) << fd % 64;
            there->descriptors++;
            end = fd + 1;
        } else if (flags != -EBADF) {
            there->knows_descriptors = false;
        }
    }
    there->limit = fd;
}

/* Those created at `since_ns` or later go into `account`, which may be NULL. */
static void find_threads(struct there *there, struct rw_account *account, uint64_t since_ns)
{
    uint32_t count = rw_slot_count();
    there->threads = 0;
    for (uint32_t i = 0; i < count; i++) {
        const struct rw_launch *launch = rw_slot_launch(i);
        if (__atomic_load_n(&launch->pthread, __ATOMIC_RELAXED) == 0)
            continue; /* nobody's: its page need not be touched */
        const struct rw_slot *slot = &rw_slot_area(i)->slot;
        if (!rw_slot_is_alive(slot))
            continue;
        there->threads++;
        if (!account || slot->created_ns < since_ns)
            continue;
        if (account->threads_left < RW_LEFT_MAX)
            account->threads[account->threads_left] =
                (struct rw_left_thread){.tid = slot->tid, .slot = i, .generation = slot->generation};
        account->threads_left++;
    }
}

static void find_interpreters(struct there *there, struct rw_account *account, uint64_t since_ns)
{
    there->interpreters = 0;
    /* A free entry is behind all others: one that was used is never free again. */
    for (uint32_t i = 0; i < RW_INTERPRETER_MAX && rw_interpreters[i].state != RW_INTERPRETER_FREE; i++) {
        const struct rw_interpreter *interpreter = &rw_interpreters[i];
        if (interpreter->state == RW_INTERPRETER_DESTROYED || interpreter->id == 0)
            continue; /* the main one is noticed late, and nobody leaves it */
        there->interpreters++;
        if (!account || interpreter->created_ns < since_ns)
            continue;
        if (account->interpreters_left < RW_LEFT_MAX)
            account->interpreters[account->interpreters_left] = interpreter->id;
        account->interpreters_left++;
    }
}

static void describe_descriptor(struct rw_left_descriptor *left, uint32_t fd)
{
    char path[40];
    struct rw_text text;
    long flags = rw_raw3(SYS_fcntl, fd, F_GETFL, 0);
    left->fd = (int32_t)fd;
    left->access = flags >= 0 ? (uint32_t)flags & O_ACCMODE : O_RDWR;
    rw_zero(left->target, sizeof left->target);
    rw_text_begin(&text, path, sizeof path);
    rw_text_add(&text, "/proc/thread-self/fd/");
    rw_text_add_decimal(&text, fd);
    if (rw_raw3(SYS_readlink, (long)path, (long)left->target, sizeof left->target - 1) < 0)
        left->target[0] = '\0';
}

/* What was above the limit at the begin may have been there already. */
static void compare_descriptors(struct rw_account *account)
{
    for (uint32_t fd = 0; fd < before.limit && fd < after.limit; fd++) {
        if (!is_open(&after, fd) || is_open(&before, fd))
            continue;
        if (account->descriptors_left < RW_LEFT_MAX)
            describe_descriptor(&account->descriptors[account->descriptors_left], fd);
        account->descriptors_left++;
    }
}

/* Whatever gets its number from now on is not what the test left. */
static void mark_closed(const struct there *there)
{
    uint64_t written = rw_header->accounts_written;
    uint64_t count = written < RW_ACCOUNT_MAX ? written : RW_ACCOUNT_MAX;
    for (uint64_t i = 0; there->knows_descriptors && i < count; i++)
        for (uint32_t j = 0; j < rw_accounts[i].descriptors_left && j < RW_LEFT_MAX; j++) {
            struct rw_left_descriptor *left = &rw_accounts[i].descriptors[j];
            uint32_t fd = (uint32_t)left->fd;
            if (fd < there->limit && !is_open(there, fd))
                __atomic_store_n(&left->is_closed, 1, __ATOMIC_RELAXED);
        }
}

void rw_account_begin(void)
{
    find_threads(&before, NULL, 0);
    find_interpreters(&before, NULL, 0);
    find_descriptors(&before);
    mark_closed(&before);
}

void rw_account_end(const struct rw_test *test)
{
    static struct rw_account account;
    rw_zero(&account, sizeof account);
    find_threads(&after, &account, test->begin_ns);
    find_interpreters(&after, &account, test->begin_ns);
    find_descriptors(&after);
    mark_closed(&after);
    if (before.knows_descriptors && after.knows_descriptors)
        compare_descriptors(&account);
    else
        account.flags |= RW_ACCOUNT_NO_DESCRIPTORS;
    if (account.threads_left + account.interpreters_left + account.descriptors_left == 0)
        return;
    account.number = test->number;
    account.begin_ns = test->begin_ns;
    account.end_ns = test->end_ns;
    account.threads_begin = before.threads;
    account.threads_end = after.threads;
    account.interpreters_begin = before.interpreters;
    account.interpreters_end = after.interpreters;
    account.descriptors_begin = before.descriptors;
    account.descriptors_end = after.descriptors;
    rw_copy(account.test, test->name, sizeof account.test);

    uint64_t written = rw_header->accounts_written;
    account.index = (uint32_t)written + 1;
    struct rw_account *entry = &rw_accounts[written % RW_ACCOUNT_MAX];
    rw_write_begin(&entry->sequence);
    rw_copy(&entry->flags, &account.flags, sizeof account - offsetof(struct rw_account, flags));
    rw_write_end(&entry->sequence);
    __atomic_store_n(&rw_header->accounts_written, written + 1, __ATOMIC_RELEASE);
}
