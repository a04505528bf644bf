/* SPDX-License-Identifier: MIT */
/*
 * What the files of this folder share: one look at one process. Internal to tools/cpython/.
 *
 * Memory that is read may have been freed and used again a moment later, and may be hostile: every length is
 * bounded, every list is walked at most so far, every object's type is looked at before its fields mean
 * anything. An address of 0 comes out of every failed read.
 */
#ifndef RACEWATCH_TOOLS_CPYTHON_PYTHON_H
#define RACEWATCH_TOOLS_CPYTHON_PYTHON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "tools/cpython/layout.h"
#include "tools/incident/incident.h"
#include "tools/incident/model.h"
#include "tools/snapshot/image.h"

struct rw_reader;

#define RW_PY_INTERPRETERS_MAX 1024u
#define RW_PY_THREAD_STATES_MAX 16384u
#define RW_PY_FRAMES_MAX 20000u /* of one thread; deep recursion is to be seen, an endless list is not */
#define RW_PY_SLOTS_MAX 4096u   /* locals and stack slots of one frame */

struct rw_py_frame;

/* A thread state, and whose it is. */
struct rw_py_state {
    uint64_t address;
    uint64_t interpreter; /* address */
    int64_t interpreter_id;
    uint64_t thread_id;        /* pthread_t */
    uint64_t native_thread_id; /* 0 where the version has none */
    uint64_t id;
    uint32_t status; /* 3.12 and later: bits of PyThreadState._status */
    int maker_tid;   /* of the OS thread that it was made for, as its thread_id says; 0 or -1 as tid */
    int tid;         /* of the OS thread; 0: none backs it, -1: not known */
    bool is_attached;
    struct rw_py_frame *frames; /* innermost first */
    size_t frame_count;
    bool is_changing; /* its frames changed while they were read */
};

struct rw_py_interpreter {
    uint64_t address;
    int64_t id;
    uint64_t gil;       /* its struct, 0 if not known */
    uint64_t threading; /* the __dict__ of its module `threading`; 0: not imported, or not known */
};

#define RW_PY_BLOCKS_MAX 20u /* CO_MAXBLOCKS */

/* An open block of a frame, up to 3.10. */
struct rw_py_block {
    int32_t type, handler, level;
};

/* A frame as it was read; `python[]` of the thread has the same frames, at the same indices. */
struct rw_py_frame {
    uint64_t address;
    uint64_t previous;
    uint64_t code_address;
    const struct rw_py_code *code; /* never NULL once stacks were read; it outlives rw_py_forget */
    uint64_t globals;
    int64_t interpreter_id;
    uint64_t instruction; /* as the frame has it */
    uint32_t tlbc_index;
    int32_t at;      /* byte offset of its instruction; negative before the first one */
    uint64_t anchor; /* an address in the native frame of its evaluation loop; 0 if not known */
    uint64_t *slots; /* slots.h; as read with the rest of the frame */
    size_t slot_count;
    struct rw_py_block blocks[RW_PY_BLOCKS_MAX];
    uint32_t block_count;
    bool is_entry;
    bool is_torn;
};

struct rw_py_stack {
    int tid;
    struct rw_py_frame *frames;
    size_t count;
};

struct rw_py_bytes {
    uint8_t *data;
    size_t size;
};

struct rw_py_code; /* code.h */
struct rw_py_type;
struct rw_py_with; /* with_blocks.h */

struct rw_python {
    struct rw_incident *incident;
    struct rw_process_info *process;
    struct rw_memory *memory;
    struct rw_symbols *symbols;
    const struct rw_maps *maps;
    struct rw_reader *reader; /* may be NULL */
    void *scratch;            /* talloc: everything that does not outlive the look */
    uint64_t runtime;
    struct rw_layout layout;
    uint32_t tid_in_pthread; /* offset of the TID in glibc's struct pthread */
    struct rw_py_interpreter *interpreters;
    size_t interpreter_count;
    struct rw_py_state *states;
    size_t state_count;
    struct rw_py_thread_at *pthreads; /* interpreters.c: the threads by their pthread_t */
    size_t pthread_count;
    bool is_incomplete;         /* the lists of interpreters and states changed whenever they were read */
    struct rw_py_stack *stacks; /* one for each thread of the process, in its order */
    size_t stack_count;
    struct rw_py_with *withs;
    size_t with_count;
    struct rw_py_code *codes; /* hash tables by address */
    struct rw_py_type *types;
};

/* --- discover.c: which Python, and with what layout. False: none, or none that is believed (python_note says
 * why). */
bool rw_py_discover(struct rw_python *py);

/* --- cpython.c: fills the incident, by a layout that is believed. */
void rw_py_fill(struct rw_python *py);

/* --- interpreters.c */
extern const char
    rw_py_no_interpreter[]; /* the reason why there is nothing to read, though no layout is wrong */
/* Reads interpreters and thread states into py; 0, or -EBADMSG with *why where they make no sense with the
 * layout. */
int rw_py_read_interpreters(struct rw_python *py, const char **why);
/* Whether the memory of the state still holds it: one that ended may have been used for the next one. */
bool rw_py_is_still_there(struct rw_python *py, const struct rw_py_state *state);
void rw_py_fill_interpreters(struct rw_python *py);
/* The TID of the thread whose pthread_t this is, 0 if it has ended, -1 if it cannot be known. */
int rw_py_tid_of_pthread(struct rw_python *py, uint64_t pthread);
const struct rw_py_interpreter *rw_py_interpreter_of(const struct rw_python *py, int64_t id);

/* --- states.c: corrects the thread of each state by where its frames run. */
void rw_py_place_states(struct rw_python *py);

/* --- frames.c */
void rw_py_read_stacks(struct rw_python *py); /* of all thread states */
void rw_py_fill_frames(struct rw_python *py);
/* The frame for people; its code is set. */
struct rw_python_frame rw_py_describe_frame(struct rw_python *py, const struct rw_py_frame *frame);

/* --- gil.c, merge.c, threads.c, locks.c */
void rw_py_fill_gil(struct rw_python *py);
void rw_py_merge(struct rw_python *py);
void rw_py_fill_threads(struct rw_python *py);
void rw_py_refine_waits(struct rw_python *py);

/* --- finalisation.c: whether the thread waits for what finalisation does; if so it says so. */
bool rw_py_refine_finalisation(struct rw_python *py, struct rw_thread *thread);

/* --- pending_signals.c */
void rw_py_fill_pending_signals(struct rw_python *py);

/* --- tasks.c */
void rw_py_fill_tasks(struct rw_python *py);

/* --- memory.c: as it is now; */
int rw_py_read(struct rw_python *py, uint64_t address, void *buffer, size_t size);
uint64_t rw_py_word(struct rw_python *py, uint64_t address);
uint32_t rw_py_int(struct rw_python *py, uint64_t address);
/* as it was when its page was first read: for what does not change while it is alive, such as types, strings
 * and code; and for what is known to be alive since rw_py_forget, which drops the pages and all that was made
 * of them. */
int rw_py_read_kept(struct rw_python *py, uint64_t address, void *buffer, size_t size);
uint64_t rw_py_kept_word(struct rw_python *py, uint64_t address);
void rw_py_forget(struct rw_python *py);

/* A field of a structure that was read into a buffer. */
static inline uint64_t rw_py_field(const void *buffer, uint32_t offset)
{
    uint64_t value;
    memcpy(&value, (const char *)buffer + offset, sizeof value);
    return value;
}

static inline uint32_t rw_py_field32(const void *buffer, uint32_t offset)
{
    uint32_t value;
    memcpy(&value, (const char *)buffer + offset, sizeof value);
    return value;
}

/* From 3.14 references on the stack, and the code that a frame runs, carry two bits of their own. */
static inline uint64_t rw_py_untag(const struct rw_python *py, uint64_t reference)
{
    return py->layout.minor >= 14 ? reference & ~UINT64_C(3) : reference;
}

#endif
