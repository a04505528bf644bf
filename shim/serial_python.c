/* SPDX-License-Identifier: MIT */
/*
 * Python's interpreter locks. Nine of ten points of a Python program are about its GIL: two mutexes and two
 * conditions that lie side by side, struct _gil_runtime_state, pycore_gil.h,
 * 3.8 to 3.14. They are one resource: who runs is decided when somebody waits for it, and not at each step of
 * handing it over.
 */
#include "shim/python_hooks.h"
#include "shim/self.h"
#include "shim/serial_sync.h"

enum { LOCKS = 64 };
/* cond, mutex, switch_cond, switch_mutex */
#define EXTENT (2 * sizeof(pthread_cond_t) + 2 * sizeof(pthread_mutex_t))
#define INTERVAL_MAX_NS UINT64_C(100000000)

static uintptr_t locks[LOCKS];
static uint32_t count;

bool rw_serial_is_interpreter_lock(const volatile void *object)
{
    for (uint32_t i = 0; i < count; i++) {
        if ((uintptr_t)object - locks[i] < EXTENT)
            return true;
    }
    return false;
}

static bool is_from_python(void)
{
    const struct rw_slot_area *area = rw_self.area;
    return area && area->slot.state == RW_THREAD_WAITING &&
           rw_python_is_caller((const void *)area->slot.wait.return_address);
}

bool rw_serial_interpreter_lock_awaited(const volatile void *condition, const volatile void *mutex,
                                        uint64_t left_ns)
{
    if (rw_serial_is_interpreter_lock(condition))
        return true;
    bool are_neighbours = (uintptr_t)mutex - (uintptr_t)condition == sizeof(pthread_cond_t);
    if (!are_neighbours || left_ns > INTERVAL_MAX_NS || count == LOCKS || !is_from_python())
        return false;
    locks[count++] = (uintptr_t)condition;
    return true;
}
