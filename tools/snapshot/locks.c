/* SPDX-License-Identifier: MIT */
#include "tools/snapshot/locks.h"

#include <linux/futex.h>
#include <stdio.h>
#include <string.h>
#include <talloc.h>

#include "tools/incident/model.h"
#include "tools/recording/reader.h"
#include "tools/snapshot/proc.h"

/* nptl/bits/struct_mutex.h, struct_rwlock.h for x86-64: unchanged from glibc 2.17 (rwlocks: 2.25) to 2.43. */
struct mutex {
    int32_t lock;
    uint32_t count;
    int32_t owner;
    uint32_t users;
    int32_t kind;
};
/* nptl/pthreadP.h: who got EOWNERDEAD has the lock, and is written down in the lock word alone, until it says
 * pthread_mutex_consistent. */
#define MUTEX_INCONSISTENT INT32_MAX
#define MUTEX_INHERITS_PRIORITY 32
#define MUTEX_IS_SHARED 128

/* The word that a refused thread waits on is a local of __pthread_mutex_lock_full
 * (nptl/pthread_mutex_lock.c), the caller of the function that makes the call: so far above the stack's end
 * at most. */
#define REFUSED_ABOVE_MAX 1024

struct rwlock {
    uint32_t readers, writers, wrphase_futex, writers_futex, pad3, pad4;
    int32_t cur_writer, shared;
};
#define RWLOCK_READER_SHIFT 3

/* sizeof(struct pthread) is 2304 in glibc 2.36 and less than this in all that were looked at; a futex in it
 * while joining is its TID word. */
#define THREAD_DESCRIPTOR_MAX 2368

/* libio/libioP.h, sysdeps/nptl/stdio-lock.h: a recursive lock of libc's own, with the pthread_t of its owner.
 */
struct stream_lock {
    int32_t lock;
    int32_t count;
    uint64_t owner;
};

static const struct {
    const char *kind;
    uint64_t size;
} sizes[] = {{"mutex", 40},     {"rwlock", 56},  {"condition", 48},
             {"semaphore", 32}, {"barrier", 32}, {"join", THREAD_DESCRIPTOR_MAX}};

bool rw_lock_holds(const char *kind, uint64_t object, uint64_t address)
{
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
        if (strcmp(kind, sizes[i].kind) == 0)
            return address >= object && address - object < sizes[i].size;
    return false;
}

bool rw_lock_is_refused(struct rw_memory *memory, const char *kind, uint64_t object, uint64_t address,
                        uint64_t stack_pointer)
{
    struct mutex mutex;

    return strcmp(kind, "mutex") == 0 && address >= stack_pointer &&
           address - stack_pointer < REFUSED_ABOVE_MAX &&
           rw_memory_read(memory, object, &mutex, sizeof(mutex)) == 0 &&
           (mutex.kind & MUTEX_INHERITS_PRIORITY) != 0;
}

/* By the names that functions have in libc's own symbol tables, without what plain_name takes off. `offset`
 * of the futex in the object; -1 where it differs by version or by case. */
static const struct {
    const char *function, *kind, *call;
    int offset;
} functions[] = {
    {"pthread_mutex_lock", "mutex", "pthread_mutex_lock", 0},
    {"pthread_mutex_lock_full", "mutex", "pthread_mutex_lock", 0},
    {"pthread_mutex_timedlock", "mutex", "pthread_mutex_timedlock", 0},
    {"pthread_mutex_clocklock", "mutex", "pthread_mutex_clocklock", 0},
    {"pthread_mutex_clocklock_common", "mutex", "pthread_mutex_clocklock", 0},
    {"pthread_mutex_cond_lock", "mutex", "pthread_cond_wait", 0},
    {"pthread_mutex_cond_lock_full", "mutex", "pthread_cond_wait", 0},
    {"pthread_rwlock_rdlock", "rwlock", "pthread_rwlock_rdlock", -1},
    {"pthread_rwlock_rdlock_full64", "rwlock", "pthread_rwlock_rdlock", -1},
    {"pthread_rwlock_timedrdlock", "rwlock", "pthread_rwlock_timedrdlock", -1},
    {"pthread_rwlock_clockrdlock", "rwlock", "pthread_rwlock_clockrdlock", -1},
    {"pthread_rwlock_wrlock", "rwlock", "pthread_rwlock_wrlock", -1},
    {"pthread_rwlock_wrlock_full64", "rwlock", "pthread_rwlock_wrlock", -1},
    {"pthread_rwlock_timedwrlock", "rwlock", "pthread_rwlock_timedwrlock", -1},
    {"pthread_rwlock_clockwrlock", "rwlock", "pthread_rwlock_clockwrlock", -1},
    {"pthread_cond_wait", "condition", "pthread_cond_wait", -1},
    {"pthread_cond_wait_common", "condition", "pthread_cond_wait", -1},
    {"pthread_cond_timedwait", "condition", "pthread_cond_timedwait", -1},
    {"pthread_cond_timedwait64", "condition", "pthread_cond_timedwait", -1},
    {"pthread_cond_clockwait", "condition", "pthread_cond_clockwait", -1},
    {"pthread_cond_clockwait64", "condition", "pthread_cond_clockwait", -1},
    {"sem_wait", "semaphore", "sem_wait", 0},
    {"new_sem_wait", "semaphore", "sem_wait", 0},
    {"new_sem_wait_slow64", "semaphore", "sem_wait", 0},
    {"sem_timedwait", "semaphore", "sem_timedwait", 0},
    {"sem_timedwait64", "semaphore", "sem_timedwait", 0},
    {"sem_clockwait", "semaphore", "sem_clockwait", 0},
    {"sem_clockwait64", "semaphore", "sem_clockwait", 0},
    {"pthread_barrier_wait", "barrier", "pthread_barrier_wait", 4},
    {"pthread_once", "once", "pthread_once", 0},
    {"pthread_once_slow", "once", "pthread_once", 0},
    {"cxa_guard_acquire", "once", "__cxa_guard_acquire", 0},
    {"pthread_join", "join", "pthread_join", -1},
    {"pthread_clockjoin_ex", "join", "pthread_join", -1},
    {"pthread_timedjoin_np", "join", "pthread_timedjoin_np", -1},
    {"pthread_clockjoin_np", "join", "pthread_clockjoin_np", -1},
};

/* "___pthread_mutex_lock", "__GI___pthread_mutex_lock" and "pthread_mutex_lock.part.0" are one to us. */
static bool is_function(const char *name, const char *plain)
{
    size_t length = strlen(plain);

    name += strspn(name, "_");
    if (strncmp(name, "GI_", 3) == 0) {
        name += 3;
        name += strspn(name, "_");
    }
    return strncmp(name, plain, length) == 0 && (name[length] == '\0' || name[length] == '.');
}

bool rw_lock_of_function(const char *function, uint64_t address, const char **kind, const char **call,
                         uint64_t *object)
{
    for (size_t i = 0; i < sizeof(functions) / sizeof(functions[0]); i++) {
        if (!is_function(function, functions[i].function))
            continue;
        *kind = functions[i].kind;
        *call = functions[i].call;
        *object = functions[i].offset > 0 ? address - (uint64_t)functions[i].offset : address;
        /* A rwlock is aligned to 8 and waited on at +8 or +12 (at +0 for one kind that prefers writers). */
        if (strcmp(functions[i].kind, "rwlock") == 0)
            *object = address % 8 ? address - 12 : address - 8;
        return true;
    }
    return false;
}

/* A TID that was read as an owner: whether there is such a thread, here or, for a shared lock, elsewhere. */
static void check_owner(struct rw_incident *incident, const struct rw_process_info *process,
                        struct rw_owner *owner, bool is_shared, bool is_own)
{
    const struct rw_thread *thread = is_own ? rw_process_find_own_thread(process, owner->tid)
                                            : rw_process_find_thread(process, owner->tid);

    if (!thread && rw_process_is_elsewhere(process)) {
        /* The number may be another thread's here, or nobody's. */
        *owner = (struct rw_owner){.tid = -1,
                                   .pid = -1,
                                   .how = "its TID is of another PID namespace than racewatch's, and none of "
                                          "the process's threads has it there"};
        return;
    }
    if (thread)
        owner->tid = thread->tid;
    owner->pid = process->pid;
    if (thread && thread->is_alive)
        return;
    if (is_shared) {
        char path[64], line[64];
        int group = 0;
        snprintf(path, sizeof(path), "/proc/%d/status", owner->tid);
        FILE *file = fopen(path, "re");
        while (file && group == 0 && fgets(line, sizeof(line), file))
            sscanf(line, "Tgid: %d", &group);
        if (file)
            fclose(file);
        if (group > 0) {
            owner->pid = group;
            return;
        }
    }
    owner->how = talloc_asprintf(incident, "%s; no such thread %s now", owner->how,
                                 is_shared ? "exists" : "is in this process");
}

static void mutex_owner(struct rw_memory *memory, uint64_t object, struct rw_owner *owner, bool *is_shared)
{
    struct mutex mutex;

    if (rw_memory_read(memory, object, &mutex, sizeof(mutex)) < 0)
        return;
    *is_shared = mutex.kind & MUTEX_IS_SHARED;
    if (mutex.owner > 0 && mutex.owner != MUTEX_INCONSISTENT) {
        *owner =
            (struct rw_owner){.tid = mutex.owner, .certainty = RW_EXACT, .how = "the mutex's owner field"};
    } else if (mutex.lock == 0) {
        *owner = (struct rw_owner){.certainty = RW_EXACT, .how = "the mutex is free"};
    } else if ((mutex.kind & 0x30) != 0 && (mutex.lock & FUTEX_TID_MASK) != 0) {
        /* Robust and priority-inheriting ones hold the TID in the lock word itself. */
        *owner =
            (struct rw_owner){.tid = mutex.lock & FUTEX_TID_MASK,
                              .certainty = RW_EXACT,
                              .how = mutex.owner == MUTEX_INCONSISTENT
                                         ? "the mutex's lock word: its owner was told that the one before "
                                           "died (EOWNERDEAD), and has not made it consistent"
                                         : "the mutex's lock word"};
    } else
        owner->how = "the mutex was changing hands";
}

static void rwlock_owner(struct rw_incident *incident, struct rw_memory *memory, uint64_t object,
                         struct rw_owner *owner, bool *is_shared)
{
    struct rwlock lock;

    if (rw_memory_read(memory, object, &lock, sizeof(lock)) < 0)
        return;
    *is_shared = lock.shared;
    uint32_t readers = lock.readers >> RWLOCK_READER_SHIFT;
    if (lock.cur_writer > 0)
        *owner = (struct rw_owner){
            .tid = lock.cur_writer, .certainty = RW_EXACT, .how = "the rwlock's writer field"};
    else if (readers > 0)
        owner->how = talloc_asprintf(incident,
                                     "no writer holds it; %u reader%s hold%s it or wait for it, and a rwlock "
                                     "does not name its readers",
                                     readers, readers == 1 ? "" : "s", readers == 1 ? "s" : "");
}

static void stream_owner(const struct rw_process_info *process, struct rw_memory *memory, uint64_t object,
                         struct rw_owner *owner)
{
    struct stream_lock stream;

    if (rw_memory_read(memory, object, &stream, sizeof(stream)) < 0 || stream.lock == 0 || stream.owner == 0)
        return;
    for (size_t i = 0; i < process->thread_count; i++) {
        const struct rw_thread *thread = &process->threads[i];
        if (thread->tid > 0 && thread->is_alive && thread->pthread == stream.owner) {
            *owner = (struct rw_owner){
                .tid = thread->tid, .certainty = RW_EXACT, .how = "the stream lock's owner field"};
            return;
        }
    }
}

/* The futex is the TID word of the joined thread's descriptor up to glibc 2.42 at least, and another word of
 * it in 2.43: so it is believed only where it names a thread that there is. */
static void join_target(const struct rw_process_info *process, struct rw_memory *memory, uint64_t address,
                        struct rw_owner *owner)
{
    int32_t tid = 0;

    for (size_t i = 0; i < process->thread_count; i++) {
        const struct rw_thread *thread = &process->threads[i];
        if (thread->tid > 0 && thread->is_alive && thread->pthread &&
            rw_lock_holds("join", thread->pthread, address)) {
            *owner = (struct rw_owner){.tid = thread->tid,
                                       .certainty = RW_EXACT,
                                       .how = "the thread that the join was called for, as recorded"};
            return;
        }
    }
    if (rw_memory_read(memory, address, &tid, sizeof(tid)) < 0 || tid <= 0)
        return;
    const struct rw_thread *thread = rw_process_find_own_thread(process, tid);
    if (thread && thread->is_alive)
        *owner = (struct rw_owner){.tid = thread->tid,
                                   .certainty = RW_EXACT,
                                   .how = "the TID in the descriptor of the thread joined"};
}

struct rw_owner rw_lock_owner(struct rw_incident *incident, const struct rw_process_info *process,
                              struct rw_memory *memory, struct rw_reader *reader, const char *kind,
                              uint64_t object, uint64_t address)
{
    struct rw_owner owner = {.tid = -1, .pid = -1};
    struct rw_semaphore semaphore;
    bool is_shared = false;
    /* As the process counts its threads: what it has in its memory, and records. */
    bool is_own = strcmp(kind, "mutex") == 0 || strcmp(kind, "rwlock") == 0 || strcmp(kind, "semaphore") == 0;

    if (strcmp(kind, "mutex") == 0)
        mutex_owner(memory, object, &owner, &is_shared);
    else if (strcmp(kind, "rwlock") == 0)
        rwlock_owner(incident, memory, object, &owner, &is_shared);
    else if (strcmp(kind, "stream") == 0)
        stream_owner(process, memory, object, &owner);
    else if (strcmp(kind, "join") == 0)
        join_target(process, memory, address, &owner);
    else if (strcmp(kind, "semaphore") == 0 && reader &&
             rw_reader_semaphore_owner(reader, object, &semaphore) == 0 && semaphore.tid > 0)
        owner = (struct rw_owner){.tid = semaphore.tid,
                                  .certainty = RW_INFERRED,
                                  .how = "it took the semaphore last, and nobody has posted it since"};
    if (owner.tid > 0)
        check_owner(incident, process, &owner, is_shared, is_own);
    return owner;
}
