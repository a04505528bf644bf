/* SPDX-License-Identifier: MIT */
/*
 * Two ways in which CPython's locks block. Up to 3.13.0 each lock has a sem_t of its own, to which the object
 * points. Later a lock is a byte in the object; who finds it taken parks on a semaphore on its own stack, in
 * a wait_entry {park_arg, address parked on, semaphore, ...} (Python/parking_lot.c). Either way the object is
 * recognised by an exact address, so it does not matter that slots of the value stack may be stale.
 */
#include "tools/cpython/lock_object.h"

#include <talloc.h>

#include "tools/cpython/object.h"
#include "tools/cpython/slots.h"

#define FIELDS_MAX 32u /* words of a lock object that are looked at */

static const struct {
    const char *type, *kind, *call;
} types[] = {
    {"_thread.lock", "lock", "lock.acquire"},
    {"_thread.RLock", "rlock", "RLock.acquire"},
    {"_queue.SimpleQueue", "queue", "SimpleQueue.get"},
    {"_multiprocessing.SemLock", "python-semaphore", "SemLock.acquire"},
};

static bool matches(struct rw_python *py, uint64_t object, uint32_t size, uint64_t semaphore, uint64_t parked)
{
    uint64_t fields[FIELDS_MAX];
    uint32_t head = py->layout.object.size;
    size_t count = size > head ? (size - head) / 8 : 0;
    if (parked >= object + head && parked < object + size)
        return true;
    if (count > FIELDS_MAX)
        count = FIELDS_MAX;
    if (!count || rw_py_read_kept(py, object + head, fields, count * 8))
        return false;
    for (size_t i = 0; i < count; i++)
        if (fields[i] == semaphore)
            return true;
    return false;
}

static bool look_at(struct rw_python *py, uint64_t object, uint64_t semaphore, uint64_t parked,
                    struct rw_py_lock_object *found)
{
    const struct rw_py_type *type = object && object % 8 == 0 ? rw_py_type_of(py, object) : NULL;
    for (size_t i = 0; type && i < sizeof types / sizeof types[0]; i++) {
        if (strcmp(type->name, types[i].type) || !matches(py, object, type->basic_size, semaphore, parked))
            continue;
        *found = (struct rw_py_lock_object){
            .address = object,
            .kind = types[i].kind,
            .call = types[i].call,
            .semaphore = parked >= object && parked < object + type->basic_size ? 0 : semaphore};
        return true;
    }
    return false;
}

struct rw_py_lock_object rw_py_lock_object(struct rw_python *py, const struct rw_py_frame *frame,
                                           uint64_t address)
{
    struct rw_py_lock_object found = {0};
    struct rw_py_slots slots = rw_py_slots(frame);
    uint64_t parked = py->layout.minor >= 13 ? rw_py_word(py, address - 8) : 0;
    /* From the top: what is being called lies there. */
    for (size_t i = slots.count; i-- > 0 && !found.address;) {
        uint64_t value = slots.values[i];
        if (!value || look_at(py, value, address, parked, &found))
            continue;
        look_at(py, rw_py_bound_self(py, value), address, parked, &found);
    }
    for (size_t i = 0; i < slots.local_count && !found.address; i++)
        look_at(py, rw_py_uncell(py, slots.values[i]), address, parked, &found);
    return found;
}

/* ThreadHandle: the event of its end comes 25 bytes behind its pthread_t (Modules/_threadmodule.c, 3.13
 * to 3.15). */
uint64_t rw_py_joined_pthread(struct rw_python *py, uint64_t semaphore)
{
    uint64_t entry[2]; /* park_arg, address */
    if (py->layout.minor < 13 || rw_py_read(py, semaphore - 16, entry, sizeof entry) || entry[0])
        return 0;
    return rw_py_word(py, entry[1] - 25);
}

/* One word behind the lock itself, in all versions. */
uint64_t rw_py_rlock_owner(struct rw_python *py, uint64_t object)
{
    return rw_py_word(py, object + py->layout.object.size + 8);
}
