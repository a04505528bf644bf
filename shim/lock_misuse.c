/* SPDX-License-Identifier: MIT */
#include "shim/lock_misuse.h"

#include <errno.h>
#include <stdint.h>

#include "shim/misuse.h"
#include "shim/raw.h"
#include "shim/recorder.h"
#include "shim/recording_file.h"

/* In __kind; glibc 2.36, nptl/pthreadP.h. */
#define KIND 3
#define ROBUST 16
#define PROCESS_SHARED 128

static int kind_of(const pthread_mutex_t *mutex)
{
    return __atomic_load_n(&mutex->__data.__kind, __ATOMIC_RELAXED);
}

static int32_t owner_of(const pthread_mutex_t *mutex)
{
    return __atomic_load_n(&mutex->__data.__owner, __ATOMIC_RELAXED);
}

/* A recursive, an error checking and a robust mutex answer a stranger's unlock with EPERM: a program may go
 * by that. */
static bool minds_strangers(int kind)
{
    int type = kind & KIND;
    return !(kind & (PROCESS_SHARED | ROBUST)) &&
           (type == PTHREAD_MUTEX_NORMAL || type == PTHREAD_MUTEX_ADAPTIVE_NP);
}

void rw_check_owner(const pthread_mutex_t *mutex, const void *return_address)
{
    if (!rw_is_recording_own() || !minds_strangers(kind_of(mutex)))
        return;
    int32_t owner = owner_of(mutex);
    if (owner == 0 || owner == rw_self_tid(&rw_self) || !rw_slot_of_tid(owner) || rw_is_vfork_child())
        return;
    rw_misuse_record(&(struct rw_misuse){
        .kind = RW_MISUSE_FOREIGN_UNLOCK,
        .object = (uint64_t)mutex,
        .return_address = (uint64_t)return_address,
        .other_tid = owner,
    });
}

/* The owner of a lock that was held at the fork is a thread of the parent's. */
static void check_fork(const void *lock, int32_t owner, bool is_shared, const void *return_address)
{
    if (!rw_is_recording_own() || rw_parent_of_fork == 0 || rw_is_confined || is_shared)
        return;
    if (owner <= 0 || rw_slot_of_tid(owner) || rw_raw3(SYS_tgkill, rw_live->pid, owner, 0) != -ESRCH)
        return;
    rw_misuse_record(&(struct rw_misuse){
        .kind = RW_MISUSE_FORK_LOCK,
        .object = (uint64_t)lock,
        .arg = (uint64_t)rw_parent_of_fork,
        .return_address = (uint64_t)return_address,
        .other_tid = owner,
    });
}

void rw_check_fork_lock(const pthread_mutex_t *mutex, const void *return_address)
{
    check_fork(mutex, owner_of(mutex), kind_of(mutex) & PROCESS_SHARED, return_address);
}

/* Readers leave no name in it. */
void rw_check_fork_rwlock(const pthread_rwlock_t *lock, const void *return_address)
{
    check_fork(lock, __atomic_load_n(&lock->__data.__cur_writer, __ATOMIC_RELAXED),
               lock->__data.__shared != 0, return_address);
}

/* While a program ends, threads that nobody ends hold and wait for what is taken away from them: that they do
 * is daemon threads' way, and comes to nothing. */
static bool has_begun_to_end(void)
{
    return rw_header->exit_begin_ns != 0 || rw_header->finalize_begin_ns != 0;
}

void rw_check_mutex_destroyed(const pthread_mutex_t *mutex, const void *return_address)
{
    if (!rw_is_recording_own() || kind_of(mutex) & PROCESS_SHARED || has_begun_to_end() ||
        rw_is_vfork_child())
        return;
    const struct rw_launch *owner = rw_slot_of_tid(owner_of(mutex)),
                           *waiter = rw_slot_waiting(RW_WAIT_MUTEX, mutex), *other = owner ? owner : waiter;
    if (!other)
        return;
    rw_misuse_record(&(struct rw_misuse){
        .kind = RW_MISUSE_MUTEX_DESTROYED,
        .object = (uint64_t)mutex,
        .arg = owner == NULL, /* waited for */
        .return_address = (uint64_t)return_address,
        .other_tid = other->area->slot.tid,
        .other_ns = owner ? 0 : other->area->slot.since_ns,
        .other_return_address = owner ? 0 : other->area->slot.wait.return_address,
    });
}

/* struct new_sem, glibc 2.36, sysdeps/nptl/internaltypes.h: the value, and above it how many wait. One that
 * has been posted since lets its waiter go, who no longer looks at it when it has gone. */
void rw_check_semaphore_destroyed(const sem_t *semaphore, const void *return_address)
{
    uint64_t data = __atomic_load_n((const uint64_t *)semaphore, __ATOMIC_RELAXED);
    int shared = ((const int *)semaphore)[2];
    if (data >> 32 == 0 || (uint32_t)data != 0 || shared != 0 || !rw_is_recording_own() ||
        has_begun_to_end() || rw_is_vfork_child())
        return;
    const struct rw_launch *waiter = rw_slot_waiting(RW_WAIT_SEMAPHORE, semaphore);
    if (!waiter)
        return;
    rw_misuse_record(&(struct rw_misuse){
        .kind = RW_MISUSE_SEMAPHORE_DESTROYED,
        .object = (uint64_t)semaphore,
        .return_address = (uint64_t)return_address,
        .other_tid = waiter->area->slot.tid,
        .other_ns = waiter->area->slot.since_ns,
        .other_return_address = waiter->area->slot.wait.return_address,
    });
}
