/* SPDX-License-Identifier: MIT */
/*
 * The end of mutexes and condition variables. sem_destroy is with the semaphores.
 *
 * A condition variable may be destroyed as soon as those who wait for it have been woken, and glibc waits in
 * pthread_cond_destroy until they are gone (2.36, nptl/pthread_cond_destroy.c). So the wait tells: who was
 * woken is gone at once; for who was not, it lasts.
 */
#include "shim/lock_misuse.h"
#include "shim/lock_order.h"
#include "shim/misuse.h"
#include "shim/real.h"
#include "shim/recorder.h"

/* More than a woken thread takes to leave, also on a loaded machine. */
#define AT_ONCE_NS UINT64_C(1000000000)

RW_EXPORT int pthread_mutex_destroy(pthread_mutex_t *mutex)
{
    if (__atomic_load_n(&mutex->__data.__lock, __ATOMIC_RELAXED) != 0)
        rw_check_mutex_destroyed(mutex, __builtin_return_address(0));
    rw_order_gone(mutex);
    return RW_REAL_OF(pthread_mutex_destroy)(mutex);
}

RW_EXPORT void mtx_destroy(mtx_t *mutex)
{
    if (__atomic_load_n(&((pthread_mutex_t *)mutex)->__data.__lock, __ATOMIC_RELAXED) != 0)
        rw_check_mutex_destroyed((pthread_mutex_t *)mutex, __builtin_return_address(0));
    rw_order_gone(mutex);
    RW_REAL_OF(mtx_destroy)(mutex);
}

/* Above the flags in __wrefs is the number of waiters; glibc 2.36, nptl/pthread_cond_common.c. */
static uint32_t begin(const pthread_cond_t *condition, uint64_t *since_ns, const void *return_address)
{
    *since_ns = 0;
    if (__atomic_load_n(&condition->__data.__wrefs, __ATOMIC_RELAXED) >> 3 == 0 || !rw_is_recording_own())
        return 0;
    const struct rw_launch *waiter = rw_slot_waiting(RW_WAIT_COND, condition);
    if (!waiter || rw_is_vfork_child())
        return 0;
    *since_ns = rw_recorder_now();
    return rw_misuse_record(&(struct rw_misuse){
        .kind = RW_MISUSE_CONDITION_DESTROYED,
        .object = (uint64_t)condition,
        .return_address = (uint64_t)return_address,
        .other_tid = waiter->area->slot.tid,
        .other_ns = waiter->area->slot.since_ns,
        .other_return_address = waiter->area->slot.wait.return_address,
    });
}

static void end(uint32_t misuse, uint64_t since_ns)
{
    if (misuse != 0 && rw_recorder_now() - since_ns < AT_ONCE_NS)
        rw_misuse_settle(misuse, RW_OUTCOME_WELL, NULL);
}

RW_EXPORT int rw_cond_destroy_2_3_2(pthread_cond_t *condition);
__asm__(".symver rw_cond_destroy_2_3_2, pthread_cond_destroy@@@GLIBC_2.3.2");
int rw_cond_destroy_2_3_2(pthread_cond_t *condition)
{
    uint64_t since_ns;
    uint32_t misuse = begin(condition, &since_ns, __builtin_return_address(0));
    int result = RW_REAL_OF(pthread_cond_destroy)(condition);
    end(misuse, since_ns);
    return result;
}

RW_EXPORT void cnd_destroy(cnd_t *condition)
{
    uint64_t since_ns;
    uint32_t misuse = begin((pthread_cond_t *)condition, &since_ns, __builtin_return_address(0));
    RW_REAL_OF(cnd_destroy)(condition);
    end(misuse, since_ns);
}
