/* SPDX-License-Identifier: MIT */
#include "shim/begin.h"

#include <errno.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <time.h>

#include "shim/crash.h"
#include "shim/maps_file.h"
#include "shim/misuse.h"
#include "shim/raw.h"
#include "shim/recorder.h"
#include "shim/recording_file.h"
#include "shim/semaphore_table.h"
#include "shim/session_begin.h"
#include "shim/slot.h"
#include "shim/text.h"

int32_t rw_parent_of_fork;

static struct rw_live *live_page;
static uint32_t epochs;

/* What a fork child takes over from its parent's recording; of its tables what is used, because each page
 * that is touched here is a fault. Not on the stack, which may be small. */
static struct {
    struct rw_header header;
    uint32_t interpreter_count, semaphore_count, lock_count;
    struct rw_interpreter interpreters[RW_INTERPRETER_MAX];
    struct {
        struct rw_semaphore entry;
        uint32_t at;
    } semaphores[RW_SEMAPHORE_MAX];
    struct {
        struct rw_lock entry;
        uint32_t at;
    } locks[RW_LOCK_MAX];
} inherited;

static int32_t recorded_pid; /* as the process that began the recording knew it */

int rw_live_prepare(void)
{
    long page = rw_raw6(SYS_mmap, 0, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (rw_raw_is_error(page))
        return (int)page;
    int result = (int)rw_raw3(SYS_madvise, page, 4096, MADV_WIPEONFORK); /* since Linux 4.14 */
    if (result < 0) {
        rw_raw3(SYS_munmap, page, 4096, 0);
        return result;
    }
    live_page = (struct rw_live *)page;
    return 0;
}

static uint64_t clock_ns(clockid_t clock)
{
    struct timespec now = {0};
    rw_raw3(SYS_clock_gettime, clock, (long)&now, 0);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

int rw_begin_recording(struct rw_self *self)
{
    int32_t pid = (int32_t)rw_raw0(SYS_getpid);
    uint64_t now = rw_recorder_now();
    int result = rw_recording_create(pid, now);
    if (result != 0)
        return result;
    rw_header->ppid = (int32_t)rw_raw0(SYS_getppid);
    rw_header->monitor_pid = rw_session.monitor_pid;
    rw_header->created_boottime_ns = clock_ns(CLOCK_BOOTTIME);
    rw_header->created_realtime_ns = clock_ns(CLOCK_REALTIME);
    self->tid = (int32_t)rw_raw0(SYS_gettid);
    self->thread_ms = 0;
    rw_slot_begin_with(self, now);
    rw_misuse_begin();
    live_page->epoch = ++epochs;
    live_page->pid = recorded_pid = pid;
    rw_live = live_page;
    return 0;
}

void rw_allow_monitor(void)
{
    if (rw_session.monitor_pid > 0)
        rw_raw6(SYS_prctl, PR_SET_PTRACER, rw_session.monitor_pid, 0, 0, 0, 0);
}

static void take_over(int32_t forking_tid, int32_t child_tid)
{
    const struct rw_header *from = &inherited.header;
    rw_copy(rw_header->executable, from->executable, sizeof from->executable);
    rw_copy(rw_header->hooks, from->hooks, sizeof from->hooks);
    rw_copy(rw_header->problems, from->problems, sizeof from->problems);
    rw_header->problem_count = from->problem_count;
    rw_header->dl_generation = from->dl_generation;
    rw_header->capture_signal = from->capture_signal;
    rw_header->tracing_refused = from->tracing_refused;
    for (uint32_t i = 0; i < RW_PROBLEM_MAX; i++)
        rw_header->problems[i].sequence &= ~1u;
    for (uint32_t i = 0; i < inherited.interpreter_count; i++) {
        if (inherited.interpreters[i].state == RW_INTERPRETER_FREE)
            continue;
        if (inherited.interpreters[i].sequence & 1)
            continue; /* another thread was writing it when this one forked */
        rw_interpreters[i] = inherited.interpreters[i];
    }
    /* Semaphores and locks of threads that do not exist here keep their owner's TID: that is what makes them
     * orphans.
     */
    for (uint32_t i = 0; i < inherited.semaphore_count; i++) {
        struct rw_semaphore *semaphore = &rw_semaphores[inherited.semaphores[i].at];
        *semaphore = inherited.semaphores[i].entry;
        semaphore->thread_ms = 0;
        if (semaphore->tid == forking_tid)
            semaphore->tid = child_tid;
    }
    for (uint32_t i = 0; i < inherited.lock_count; i++) {
        struct rw_lock *lock = &rw_locks[inherited.locks[i].at];
        *lock = inherited.locks[i].entry;
        lock->thread_ms = 0;
        if (lock->tid == forking_tid)
            lock->tid = child_tid;
    }
}

/* The parent's other threads may go on writing: what counts is the copy. */
static void inherit(void)
{
    rw_copy(&inherited.header, rw_header, sizeof inherited.header);
    inherited.interpreter_count = rw_interpreter_count();
    rw_copy(inherited.interpreters, rw_interpreters,
            inherited.interpreter_count * sizeof inherited.interpreters[0]);
    uint32_t copies = 0;
    for (uint32_t i = 0, count = rw_semaphore_count(); i < count; i++) {
        inherited.semaphores[copies].entry = rw_semaphores[i];
        inherited.semaphores[copies].at = i;
        copies += inherited.semaphores[copies].entry.address != 0;
    }
    inherited.semaphore_count = copies;
    copies = 0;
    for (uint32_t i = 0; rw_locks && i < RW_LOCK_MAX; i++) {
        inherited.locks[copies].entry = rw_locks[i];
        inherited.locks[copies].at = i;
        copies += inherited.locks[copies].entry.address > 1;
    }
    inherited.lock_count = copies;
}

/* A parent of the number that was recorded for it is in the same pid namespace: from one of its own a child
 * sees no parent, or one that was made there too, whose number is 1 first of all. */
static bool is_beside_parent(void)
{
    return recorded_pid > 1 && rw_raw0(SYS_getppid) == recorded_pid;
}

bool rw_begin_in_child(struct rw_self *self)
{
    int32_t forking_tid = self->tid;
    uint64_t parent_slot = self->area ? self->slot : RW_NO_SLOT;
    char test[RW_TEST_NAME_MAX];
    char name[RW_THREAD_NAME_MAX] = "";
    rw_current_test(test);
    if (self->area)
        rw_copy(name, self->area->slot.name, sizeof name);
    inherit();
    if (!rw_is_confined && !is_beside_parent())
        rw_session_locate();
    if (rw_is_confined || rw_begin_recording(self) != 0) {
        rw_live = NULL;
        return false;
    }
    take_over(forking_tid, self->tid);
    rw_parent_of_fork = rw_header->ppid;
    rw_crash_tid = 0;
    struct rw_slot *slot = &self->area->slot;
    rw_write_begin(&slot->sequence);
    rw_copy(slot->test, test, sizeof test);
    rw_copy(slot->name, name, sizeof name);
    rw_write_end(&slot->sequence);
    rw_copy(rw_header->test, test, sizeof test);
    rw_event_append(self, slot->started_ns, RW_EVENT_FORKED, parent_slot, (uint64_t)rw_header->ppid, 0);
    __atomic_store_n(&rw_header->ready, 1, __ATOMIC_RELEASE);
    rw_allow_monitor();
    rw_maps_save_unless_watched();
    return true;
}
