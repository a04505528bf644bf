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
#include "shim/session_begin.h"
#include "shim/slot.h"
#include "shim/text.h"

int32_t rw_parent_of_fork;

static struct rw_live *live_page;
static uint32_t epochs;

/* What a fork child takes over from its parent's recording. Not on the stack, which may be small. */
static struct {
    struct rw_header header;
    struct rw_interpreter interpreters[RW_INTERPRETER_MAX];
    struct rw_semaphore semaphores[RW_SEMAPHORE_MAX];
    struct rw_lock locks[RW_LOCK_MAX];
} inherited;

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
    live_page->pid = pid;
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
    for (uint32_t i = 0; i < RW_INTERPRETER_MAX; i++) {
        if (inherited.interpreters[i].state == RW_INTERPRETER_FREE)
            continue;
        if (inherited.interpreters[i].sequence & 1)
            continue; /* another thread was writing it when this one forked */
        rw_interpreters[i] = inherited.interpreters[i];
    }
    /* Semaphores and locks of threads that do not exist here keep their owner's TID: that is what makes them
     * orphans.
     */
    for (uint32_t i = 0; i < RW_SEMAPHORE_MAX; i++) {
        if (inherited.semaphores[i].address == 0)
            continue;
        rw_semaphores[i] = inherited.semaphores[i];
        rw_semaphores[i].thread_ms = 0;
        if (rw_semaphores[i].tid == forking_tid)
            rw_semaphores[i].tid = child_tid;
    }
    for (uint32_t i = 0; rw_locks && i < RW_LOCK_MAX; i++) {
        if (inherited.locks[i].address <= 1)
            continue;
        rw_locks[i] = inherited.locks[i];
        rw_locks[i].thread_ms = 0;
        if (rw_locks[i].tid == forking_tid)
            rw_locks[i].tid = child_tid;
    }
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
    rw_copy(&inherited.header, rw_header, sizeof inherited.header);
    rw_copy(inherited.interpreters, rw_interpreters, sizeof inherited.interpreters);
    rw_copy(inherited.semaphores, rw_semaphores, sizeof inherited.semaphores);
    if (rw_locks)
        rw_copy(inherited.locks, rw_locks, sizeof inherited.locks);
    if (!rw_is_confined)
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
