/* SPDX-License-Identifier: MIT */
/*
 * What the shim keeps for each thread and for the process, outside the recording; and the way in and out of
 * the recorder. Internal to shim/.
 *
 * Order of a call into the recorder:
 *     struct rw_self *self = rw_enter();
 *     if (self) { ... write self->area->slot ...; rw_leave(self); }
 * Between the two, signal handlers that interrupt this thread find the recorder busy and record nothing.
 */
#ifndef RACEWATCH_SHIM_SELF_H
#define RACEWATCH_SHIM_SELF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shim/recording.h"

struct rw_self {
    struct rw_slot_area *area; /* NULL: no slot */
    uint32_t slot;
    int32_t tid;        /* 0: not asked yet */
    uint32_t thread_ms; /* it was there by then, since rw_header.created_ns: known when `tid` is */
    bool is_busy;       /* in the recorder now */
    bool is_over;       /* recorded its end as a detached thread: gets no slot again */
    bool is_refused;    /* there was no slot for it */
    bool is_capturing;  /* is writing its capture now */
    bool is_not_asked;  /* a child of vfork of its confined itself: which of the two runs cannot be asked */
    uintptr_t stack_low, stack_top; /* of the thread's own stack; 0, 0: not known */
    const void *acquiring; /* the Python lock whose method takes it now, NULL: none; option lock_owners */
    /* The last stack copy of a wait with a deadline. */
    uint64_t captured_ns;
    uint64_t captured_object;
    uint64_t captured_return_address;
    uintptr_t captured_stack_pointer;
    /* See perturb.h. */
    uint64_t place;
    uint64_t made; /* threads and processes so far */
};

/* Initial-exec: the dynamic models call malloc at a thread's first access, in the middle of whatever the
 * thread is doing. The library is preloaded, never dlopened, so there is room. */
extern __thread struct rw_self rw_self __attribute__((tls_model("initial-exec")));

/* In a page of its own that the kernel empties in a fork child (MADV_WIPEONFORK), however that was forked: a
 * zero pid means that the recording behind rw_header is the parent's. */
struct rw_live {
    int32_t pid;
    uint32_t epoch; /* changes with each recording of this process and its ancestors */
};
/* NULL: this process is not recorded. */
extern struct rw_live *rw_live __attribute__((visibility("hidden")));

/* The process that forked this one from a recorded one, 0 if none did. */
extern int32_t rw_parent_of_fork;

/* Begins a recording of its own in a fork child; see fork_child.c. False if it could not: recording is off
 * then. */
bool rw_begin_in_child(struct rw_self *self);

/* Gives the thread a slot; see slot.c. */
bool rw_slot_adopt(struct rw_self *self);

/* The program gave itself a seccomp filter: any system call that it does not make itself may end it. From
 * then on the shim makes none: what it knows it records, what it would have to ask for it does without. Fork
 * children are not recorded. A filter from before the constructor let the dynamic loader open files and map
 * them, which is what the shim needs; one that the program gives itself stands in nobody's way who looks from
 * outside: the monitor may trace it still. */
extern bool rw_is_confined;

/* True in a child of vfork(), which shares everything with its parent, also the recording: it must not write.
 * One system call: only for calls that are rare. Where the process is confined it cannot be asked, and the
 * answer is no; where its child may be, yes. */
bool rw_is_vfork_child(void);

static inline bool rw_is_recording_own(void)
{
    return rw_live != NULL && rw_live->pid != 0;
}

/* The same without a slot: for what is written elsewhere in the recording. */
static inline struct rw_self *rw_enter_without_slot(void)
{
    struct rw_self *self = &rw_self;
    if (rw_live == NULL || self->is_busy)
        return NULL;
    self->is_busy = true;
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    if (__builtin_expect(rw_live->pid == 0, 0) && !rw_begin_in_child(self)) {
        self->is_busy = false;
        return NULL;
    }
    return self;
}

static inline void rw_leave(struct rw_self *self)
{
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    self->is_busy = false;
}

static inline struct rw_self *rw_enter(void)
{
    struct rw_self *self = rw_enter_without_slot();
    if (self && __builtin_expect(self->area == NULL, 0) && !rw_slot_adopt(self)) {
        rw_leave(self);
        return NULL;
    }
    return self;
}

/* Asks for it once. */
int32_t rw_self_ask_tid(struct rw_self *self);

static inline int32_t rw_self_tid(struct rw_self *self)
{
    return __builtin_expect(self->tid != 0, 1) ? self->tid : rw_self_ask_tid(self);
}

/* Sequence counters: odd while the entry is written. The readers are in another process, the writer's stores
 * must become visible in program order: release fences, which cost nothing on x86-64. */
static inline void rw_write_begin(uint32_t *sequence)
{
    __atomic_store_n(sequence, *sequence | 1, __ATOMIC_RELAXED);
    __atomic_thread_fence(__ATOMIC_RELEASE);
}

static inline void rw_write_end(uint32_t *sequence)
{
    __atomic_store_n(sequence, (*sequence | 1) + 1, __ATOMIC_RELEASE);
}

/* One writer at a time for a table that any thread may write. Waits for another thread for a while, not for
 * ever: that one may be stopped, or not exist in this process. Only between rw_enter() and rw_leave(), so
 * that no handler in the same thread waits for it. False: not to be written. */
bool rw_table_begin(uint32_t *writing);

static inline void rw_table_end(uint32_t *writing)
{
    __atomic_store_n(writing, 0, __ATOMIC_RELEASE);
}

/* Appends to the slot's lifecycle ring, at a time already known. */
void rw_event_append(struct rw_self *self, uint64_t now, enum rw_event_kind kind, uint64_t object,
                     uint64_t arg, uint64_t return_address);

/* The name of the test that runs now, "" if none does. */
void rw_current_test(char name[RW_TEST_NAME_MAX]);

#endif
