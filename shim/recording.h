/* SPDX-License-Identifier: MIT */
/*
 * The recording: the contract between the shim, which writes it, and everything in tools/, which reads it.
 *
 * One file per process image (an exec begins a new one), in the session's folder, mapped MAP_SHARED by the
 * shim and written in place, so that its contents outlive SIGKILL. All integers are in the byte order of the
 * machine that wrote it; times are nanoseconds of CLOCK_MONOTONIC unless a name says otherwise; addresses
 * are those of the recorded process; 0 means "none" or "not known" everywhere.
 *
 * Writers. A slot is written by its own thread only, with two exceptions: the creator fills a slot before the
 * thread exists, and whoever joins or detaches the thread sets its final state. The header's milestones,
 * the test table and the interpreter table are written by whichever thread gets there; each entry carries a
 * sequence counter of its own. A sequence counter is odd while its entry is being written; a reader copies
 * the entry and believes the copy only if the counter was even and the same before and after.
 *
 * Readers (tools/recording/) treat every byte as hostile: the file may be truncated, scribbled over by the
 * program that it was mapped into, or made by another version.
 *
 * The file holds, in this order, at the offsets that the header names:
 *     struct rw_header                       one page
 *     struct rw_test        [test_count]     a ring, oldest overwritten
 *     struct rw_interpreter [interpreter_count]
 *     struct rw_semaphore   [semaphore_count] a 4-way hash table of semaphores that are held now
 *     struct rw_misuse      [misuse_count]   what threads did that they must not, in the order of time
 *     struct rw_account     [account_count]  what tests left behind: a ring, oldest overwritten
 *     struct rw_lock        [lock_count]     the same of Python's locks; none without the option lock_owners
 *     struct rw_lock_edge   [lock_edge_count] which lock was taken under which; none without lock_order
 *     struct rw_lock_stack  [lock_stack_count] where those locks were taken; the same
 *     struct rw_slot_area   [slot_allocated]  grows with the number of threads; the file grows with it
 */
#ifndef RACEWATCH_SHIM_RECORDING_H
#define RACEWATCH_SHIM_RECORDING_H

#include <stdint.h>

#include "shim/recording_accounts.h"
#include "shim/recording_capture.h"
#include "shim/recording_orders.h"
#include "shim/recording_races.h"

/* A symbolic link in the session's folder, left by a process of the run that could make no recording there:
 * it leads to the errno, in decimal. It takes no block of the disk. */
#define RW_REFUSAL_NAME "refused"
/* More than any path of a session's has behind OUT: "/recordings/", the session's name, a recording's. */
#define RW_PATH_ROOM 128

#define RW_RECORDING_MAGIC UINT64_C(0x31434552574b4352) /* "RCKWREC1", little endian */
#define RW_RECORDING_VERSION 2u
#define RW_VERSION "0.1.0"

#define RW_SLOT_MAX 16384u     /* threads alive at once in a process */
#define RW_SLOT_FIRST 16u      /* slots that a new recording has room for */
#define RW_TEST_MAX 32u        /* tests remembered */
#define RW_INTERPRETER_MAX 64u /* interpreters remembered, the main one included */
#define RW_SEMAPHORE_MAX 1024u /* semaphores held at once that can be remembered; a multiple of 4 */
#define RW_LOCK_MAX 4096u      /* Python locks held at once that can be remembered */
#define RW_LOCK_WAYS 4u
#define RW_PROBLEM_MAX 16u
#define RW_EVENT_MAX 32u    /* length of each of a slot's two rings */
#define RW_STACK_MAX 12288u /* bytes of stack that a capture can hold */

/*
 * Files of recordings that are over and were not kept: holes of the size that they had, for new processes to
 * rename. The monitor makes them, beside the recordings, with the lowest free number; a new process takes the
 * highest. One of another size than a new recording has is of no use.
 */
#define RW_SPARE_SUFFIX ".spare" /* after a number below RW_SPARE_MAX */
#define RW_SPARE_MAX 1024u

/* What a thread is doing, as its own calls told. Kept in rw_slot.state. */
enum rw_thread_state {
    RW_THREAD_FREE = 0, /* nobody's slot */
    RW_THREAD_NEW,      /* pthread_create was called; the thread has not run yet */
    RW_THREAD_RUNNING,  /* not known to wait in a wrapped call */
    RW_THREAD_WAITING,  /* in a wrapped call that really blocked: see rw_slot.wait */
    RW_THREAD_EXITED, /* left its start routine (return, pthread_exit, cancellation); its TSD destructors may
                         still run */
    RW_THREAD_JOINED, /* gone, its join returned; the slot may be used again */
    RW_THREAD_DETACHED, /* gone, it was detached; the slot may be used again */
};

enum rw_slot_flag {
    RW_SLOT_MAIN = 1u << 0,      /* the thread that ran main, or that forked this process */
    RW_SLOT_DETACHED = 1u << 1,  /* detached, at creation or later */
    RW_SLOT_ADOPTED = 1u << 2,   /* not created through pthread_create; noticed at its first wrapped call */
    RW_SLOT_CANCELLED = 1u << 3, /* its end was a cancellation or pthread_exit, not a return */
};

/* What a WAITING thread waits for. `object` and `object2` of struct rw_wait depend on it. */
enum rw_wait_kind {
    RW_WAIT_NONE = 0,
    RW_WAIT_MUTEX,        /* object: pthread_mutex_t, object2: its owner's TID when the wait began */
    RW_WAIT_RWLOCK_READ,  /* object: pthread_rwlock_t, object2: its writer's TID when the wait began */
    RW_WAIT_RWLOCK_WRITE, /* the same */
    RW_WAIT_COND,         /* object: pthread_cond_t, object2: its pthread_mutex_t */
    RW_WAIT_SEMAPHORE, /* object: sem_t, object2: the Python lock that is being acquired (lock_owners), or 0
                        */
    RW_WAIT_BARRIER,   /* object: pthread_barrier_t */
    RW_WAIT_JOIN,      /* object: pthread_t of the thread joined */
    RW_WAIT_FORK,      /* inside fork(), its atfork handlers included */
};

/* Events. `object`, `arg` and `end_ns` of struct rw_event depend on the kind. */
enum rw_event_kind {
    RW_EVENT_NONE = 0,
    /* threads; object: the other thread's pthread_t */
    RW_EVENT_THREAD_CREATE, /* by the creator. arg: slot index of the new thread | generation << 32 */
    RW_EVENT_THREAD_START,  /* by the new thread. object: start routine */
    RW_EVENT_THREAD_EXIT,   /* by the thread that ends. arg: 1 if by pthread_exit or cancellation */
    RW_EVENT_THREAD_JOIN_BEGIN,
    RW_EVENT_THREAD_JOIN_END, /* arg: what join returned */
    RW_EVENT_THREAD_DETACH,   /* arg: what detach returned */
    RW_EVENT_THREAD_RENAME,   /* the new name is in the slot */
    /* interpreters; object: PyInterpreterState, arg: its id, or UINT64_MAX where not known */
    RW_EVENT_INTERPRETER_NEW_BEGIN,
    RW_EVENT_INTERPRETER_NEW_END,
    RW_EVENT_INTERPRETER_DESTROY_BEGIN,
    RW_EVENT_INTERPRETER_DESTROY_END,
    RW_EVENT_FINALIZE_BEGIN, /* Py_FinalizeEx or Py_Exit */
    RW_EVENT_FINALIZE_END,
    /* the process */
    RW_EVENT_MAIN_RETURNED, /* arg: what main returned */
    RW_EVENT_EXIT_BEGIN,    /* exit, quick_exit, _exit. arg: the status */
    RW_EVENT_FORK,          /* in the parent, when fork returned. arg: the child's pid or a negative errno */
    RW_EVENT_FORKED, /* in the child, its first event. arg: the parent's pid; object: the parent's slot index
                      */
    RW_EVENT_SPAWN,  /* posix_spawn returned. arg: the child's pid or a negative errno */
    RW_EVENT_EXEC,   /* about to exec. A failed one is followed by RW_EVENT_EXEC_FAILED */
    RW_EVENT_EXEC_FAILED,    /* arg: errno */
    RW_EVENT_LIBRARY_LOADED, /* dlopen was called. arg: rw_header.dl_generation after it */
    /* tests; arg: rw_test.number */
    RW_EVENT_TEST_BEGIN,
    RW_EVENT_TEST_PHASE, /* object: enum rw_test_phase */
    RW_EVENT_TEST_END,
    /* a wait that really blocked; kept in the ring of waits. time_ns: begin, end_ns: end, 0 while it lasts.
     * arg: enum rw_wait_kind | result << 32. A wait that repeats the one before it (same kind, object and
     * return address) within a second raises its `count` and moves its `end_ns` instead of taking a record.
     */
    RW_EVENT_WAIT,
};

enum rw_test_phase { RW_PHASE_NONE = 0, RW_PHASE_SETUP, RW_PHASE_CALL, RW_PHASE_TEARDOWN };

struct rw_event {
    uint64_t time_ns;
    uint64_t end_ns;
    uint64_t object;
    uint64_t arg;
    uint64_t return_address; /* of the wrapped call, in the program's code */
    uint32_t kind;           /* enum rw_event_kind */
    uint32_t count;          /* 1, or how many equal waits in a row */
};

enum rw_wait_flag {
    RW_WAIT_HAS_DEADLINE = 1u << 0,
    RW_WAIT_IN_SHIM_HANDLER = 1u << 1, /* reserved */
};

struct rw_wait {
    uint32_t kind;  /* enum rw_wait_kind */
    uint32_t flags; /* enum rw_wait_flag */
    uint64_t object;
    uint64_t object2;
    uint64_t deadline_ns; /* as the program gave it, in ns of the clock below */
    int32_t clock;        /* CLOCK_REALTIME or CLOCK_MONOTONIC; meaningless without a deadline */
    uint32_t reserved;
    uint64_t return_address;
};

/* What a thread does to an interpreter; the innermost such call that has not returned. */
enum rw_interpreter_op {
    RW_OP_NONE = 0,
    RW_OP_NEW,
    RW_OP_DESTROY,
    RW_OP_FINALIZE,
};

struct rw_interpreter_call {
    uint32_t op;    /* enum rw_interpreter_op */
    uint32_t depth; /* how many such calls are open in this thread */
    uint64_t interpreter;
    uint64_t interpreter_id; /* UINT64_MAX where not known */
    uint64_t since_ns;
    uint64_t return_address;
};

/* A thread: its state now, and its transitions. One page. */
struct rw_slot {
    uint32_t sequence;   /* guards all from here to `capture`, exclusive of the rings */
    uint32_t generation; /* times this slot was taken */
    uint32_t state;      /* enum rw_thread_state */
    uint32_t flags;      /* enum rw_slot_flag */
    uint64_t pthread;    /* pthread_t */
    int32_t tid;         /* 0 until it ran */
    int32_t creator_tid;
    uint32_t creator_slot;
    uint32_t creator_generation;
    uint64_t start_routine;
    uint64_t create_return_address;
    uint64_t creator_interpreter;    /* PyInterpreterState that the creator was attached to */
    uint64_t creator_interpreter_id; /* UINT64_MAX where not known */
    uint64_t created_ns;
    uint64_t started_ns;
    uint64_t exited_ns;
    uint64_t since_ns;    /* when `state` began */
    uint64_t transitions; /* events so far, waits included; only ever grows */
    uint64_t stack_top;   /* end of the thread's own stack, 0 if not known */
    uint64_t stack_size;
    char name[RW_THREAD_NAME_MAX]; /* as pthread_setname_np or prctl gave it; "" if never */
    char test[RW_TEST_NAME_MAX];   /* the test that was running when it was created */
    struct rw_wait wait;           /* valid while WAITING */
    struct rw_interpreter_call interpreter_call;
    struct rw_capture capture;
    /* Rings. `*_written` counts records ever written; record i lives at i % RW_EVENT_MAX. The count is
     * raised after the record is complete. */
    uint64_t lifecycle_written;
    uint64_t waits_written;
    struct rw_event lifecycle[RW_EVENT_MAX];
    struct rw_event waits[RW_EVENT_MAX];
};

struct rw_slot_area {
    union {
        struct rw_slot slot;
        unsigned char slot_page[4096];
    };
    unsigned char stack[RW_STACK_MAX];
};

struct rw_test {
    uint32_t sequence;
    uint32_t phase;  /* enum rw_test_phase; RW_PHASE_NONE when it has ended */
    uint64_t number; /* 1 for the first test of the process */
    uint64_t begin_ns;
    uint64_t phase_ns; /* when the phase began */
    uint64_t end_ns;   /* 0 while it runs */
    int32_t tid;       /* the thread that runs it */
    uint32_t name_truncated;
    char name[RW_TEST_NAME_MAX]; /* without the phase: "file.py::test" */
};

enum rw_interpreter_state {
    RW_INTERPRETER_FREE = 0,
    RW_INTERPRETER_CREATING,
    RW_INTERPRETER_ALIVE,
    RW_INTERPRETER_DESTROYING,
    RW_INTERPRETER_DESTROYED,
};

struct rw_interpreter {
    uint32_t sequence;
    uint32_t state; /* enum rw_interpreter_state */
    uint64_t address;
    uint64_t id; /* UINT64_MAX where not known */
    uint64_t created_ns;
    uint64_t destroy_begin_ns;
    uint64_t destroy_end_ns;
    int32_t creator_tid;
    int32_t destroyer_tid;
    char test[RW_TEST_NAME_MAX]; /* the test that was running when it was created */
};

/* A semaphore that a thread took and nobody has posted since: for a binary semaphore used as a lock (as
 * CPython's locks up to 3.13.0 are), its owner. A post by anyone clears the entry. Written without a
 * sequence counter: `address` is stored last on taking (it is 1 until then), cleared first on posting. */
struct rw_semaphore {
    uint64_t address; /* sem_t; 0: entry is free */
    int32_t tid;
    uint32_t thread_ms; /* since rw_header.created_ns: the thread was there by then. One that began later is
                           another one with its number */
};

/* A threading.Lock that a thread took by its methods and nobody has released by them since, with the option
 * lock_owners. A reader holds it against the lock itself, which C code may have released. Written as a
 * semaphore's entry is: `address` is 1 while the others are stored, and 0 before the lock is released. */
struct rw_lock {
    uint64_t address;     /* of the Python object; 0: entry is free */
    uint64_t code;        /* the code object that took it, 0 if not known. It may be gone by now */
    uint64_t instruction; /* as its frame had it: up to 3.10 an index into the code, later an address */
    int32_t tid;
    uint32_t thread_ms; /* as a semaphore's */
};

/* The first of the RW_LOCK_WAYS entries in which the lock at `address` is kept, if it is. */
static inline uint32_t rw_lock_set(uint64_t address)
{
    uint64_t hash = (address >> 4) * UINT64_C(0x9e3779b97f4a7c15);
    return (uint32_t)(hash >> 32) % (RW_LOCK_MAX / RW_LOCK_WAYS) * RW_LOCK_WAYS;
}

/* Something the shim could not do; `detail` says what and why, for people. */
struct rw_problem {
    uint32_t sequence;
    uint32_t error; /* errno or 0 */
    char detail[120];
};

enum rw_crash_look { RW_CRASH_UNSEEN = 0, RW_CRASH_SEEN, RW_CRASH_LOOKED };

/* How the calls into the interpreter are seen; one per function, in rw_header.hooks. */
enum rw_hook_way {
    RW_HOOK_ABSENT = 0, /* the program has no such function */
    RW_HOOK_ENTRY,      /* jump at the function's entry */
    RW_HOOK_GOT,        /* calls from extension modules only */
    RW_HOOK_FAILED,     /* see problems */
};

enum rw_hook {
    RW_HOOK_Py_NewInterpreter = 0,
    RW_HOOK_Py_NewInterpreterFromConfig,
    RW_HOOK__PyXI_NewInterpreter,
    RW_HOOK_Py_EndInterpreter,
    RW_HOOK__PyXI_EndInterpreter,
    RW_HOOK_Py_FinalizeEx,
    RW_HOOK_Py_Exit,
    RW_HOOK__Py_NewInterpreter, /* 3.9 to 3.11: what _xxsubinterpreters.create() calls */
    RW_HOOK_COUNT,
};

struct rw_header {
    uint64_t magic;
    uint32_t version;
    uint32_t header_size; /* sizeof(struct rw_header) of the writer */
    char shim_version[16];
    uint32_t ready; /* 1 once everything below is filled in */
    int32_t pid;
    int32_t ppid;
    int32_t monitor_pid; /* whom the process allowed to trace it; 0 if nobody */
    uint64_t created_ns; /* CLOCK_MONOTONIC */
    uint64_t created_boottime_ns;
    uint64_t created_realtime_ns;

    uint32_t test_offset, test_size, test_count;
    uint32_t interpreter_offset, interpreter_size, interpreter_count;
    uint32_t semaphore_offset, semaphore_size, semaphore_count;
    uint32_t misuse_offset, misuse_size, misuse_count;
    uint32_t account_offset, account_size, account_count;
    uint32_t lock_offset, lock_size, lock_count; /* lock_count: 0 without the option lock_owners */
    uint32_t lock_edge_offset, lock_edge_size, lock_edge_count;    /* count 0: lock_order is off */
    uint32_t lock_stack_offset, lock_stack_size, lock_stack_count; /* the same */
    uint32_t slot_offset, slot_size, slot_max;
    uint32_t slot_allocated; /* slots that the file has room for now */
    uint32_t slot_used;      /* highest slot ever taken, plus one */

    uint64_t progress;      /* lifecycle events of all threads; only ever grows */
    uint64_t dl_generation; /* dlopen calls so far */
    uint64_t slots_refused; /* threads that got no slot, for want of room */
    uint64_t misuses;       /* ever met, those that found no room included */
    uint64_t locks_refused; /* locks that were taken and not remembered, for want of room */
    uint64_t lock_edges_written, lock_edges_left_out;
    uint64_t accounts_written; /* tests that left something, so far */
    uint64_t lock_stacks_written, lock_stacks_left_out;

    /* Milestones, 0 until they happen. */
    uint64_t main_returned_ns;
    uint64_t exit_begin_ns;
    int32_t exit_status;
    int32_t exit_tid;
    uint64_t finalize_begin_ns;
    uint64_t finalize_end_ns;
    uint64_t exec_ns;         /* about to exec; back to 0 if it failed */
    uint64_t serial_stuck_ns; /* in serial mode: no thread can run any more, nor will by itself; back to 0
                               * when one can after all, because a signal or another process came */

    uint64_t test_written; /* tests ever begun; the current one is number test_written if it has not ended */
    uint64_t test_last_end_ns;
    uint64_t test_worker;        /* which worker of a run of tests the process is: the characters of "gw0" and
                                  * zeros, in the order of memory; 0 where it is none */
    char test[RW_TEST_NAME_MAX]; /* the test that ran when the process was started, here or in the process
                                  * that started it; "" where none did */

    int32_t capture_signal;   /* whose handler is installed, 0 if none: tracing is allowed */
    uint32_t tracing_refused; /* errno that a trace of this process would meet, as far as the shim can tell */
    uint64_t capture_request; /* written by the monitor: which request the handler is to answer */
    uint64_t monitor_seen_ns; /* written by the monitor: CLOCK_MONOTONIC when it last found the process alive;
                               * tells a post-mortem how long the last states lasted */

    /* The fatal signal that the process is about to die of. */
    uint64_t crash_ns;      /* when it came; 0: none. Stored last */
    uint64_t crash_address; /* si_addr of a fault */
    int32_t crash_signal;
    int32_t crash_code; /* si_code */
    int32_t crash_tid;
    int32_t crash_sender; /* si_pid where somebody sent it, this process included; 0 where not */
    uint64_t crash_look;  /* enum rw_crash_look; written by the monitor: how long the thread is to wait */

    uint32_t hooks[RW_HOOK_COUNT]; /* enum rw_hook_way */
    uint32_t problem_count;        /* problems met, also those that did not fit */
    struct rw_problem problems[RW_PROBLEM_MAX];
    char executable[256]; /* /proc/self/exe, cut */
};

_Static_assert(sizeof(struct rw_header) <= 4096, "the header is one page");
_Static_assert(sizeof(struct rw_slot) <= 4096, "a slot is one page");
_Static_assert(sizeof(struct rw_slot_area) == 16384, "a slot and its stack copy");
_Static_assert(RW_SEMAPHORE_MAX % 4 == 0, "4-way table");
_Static_assert(RW_LOCK_MAX % RW_LOCK_WAYS == 0, "a table of sets");

#endif
