/* SPDX-License-Identifier: MIT */
/*
 * The incident: everything that is known about a run at one moment, in one self-contained model. The snapshot
 * and the recordings fill it, the diagnosis adds its verdict, every report is made from it, and incident.json
 * is this model written down; nothing else may be needed to make a report, also later and elsewhere.
 *
 * Ownership: an incident is a talloc context and all it holds are its descendants: strings, arrays,
 * everything (talloc_free(incident) frees all). A pointer inside never points outside. Arrays are talloc
 * arrays with their length beside them. A NULL string means "not known"; so does -1 for a signed and 0 for an
 * unsigned number, unless a comment says otherwise. Strings from the program may hold any byte; writers
 * escape them.
 *
 * Times: *_ns are nanoseconds of the watched machine's CLOCK_MONOTONIC; `now_ns` is the moment of the
 * snapshot.
 *
 * Nothing here knows ptrace, /proc or a recording's layout. Plain data, single-threaded use.
 */
#ifndef RACEWATCH_TOOLS_INCIDENT_INCIDENT_H
#define RACEWATCH_TOOLS_INCIDENT_INCIDENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tools/incident/test_account.h"

#define RW_INCIDENT_SCHEMA 1

/* How sure a statement is. `exact`: read from the object itself or from a call that was seen. `inferred`:
 * concluded from other evidence, which is named. */
enum rw_certainty { RW_UNKNOWN = 0, RW_INFERRED, RW_EXACT };

/* One native frame, innermost first. */
struct rw_frame {
    uint64_t pc;
    uint64_t cfa;           /* canonical frame address: orders native and Python frames of one stack */
    const char *function;   /* demangled; NULL where there is no symbol */
    uint64_t offset;        /* of pc in the function */
    const char *file;       /* source file, NULL without debug information */
    int line;               /* 0 without */
    const char *module;     /* path of the ELF file, "[vdso]" and the like */
    uint64_t module_offset; /* of pc in that file's address space (unrelocated) */
    const char *build_id;   /* hex */
    bool is_inlined;        /* an inlined call: shares pc and cfa with the frame that follows */
    bool is_shim;           /* code of racewatch itself: left out of texts */
    bool is_python_eval;    /* a CPython evaluation loop: Python frames belong here */
};

/* One Python frame, innermost first. */
struct rw_python_frame {
    const char *function; /* qualified name where the version has it */
    const char *file;
    int line;            /* 0 where it could not be known */
    uint64_t address;    /* of the interpreter frame */
    int native_index;    /* index into native[] of the evaluation loop that runs it, -1 if not known */
    int64_t interpreter; /* id of the interpreter it runs in */
    bool is_entry;       /* the outermost frame of its evaluation loop */
    bool is_torn;        /* changed while it was read: do not build on it */
    const char *kind;    /* NULL, "generator", "coroutine", "async generator" */
};

/* Who holds something, and how that is known. */
struct rw_owner {
    int tid; /* -1: unknown; 0: nobody */
    int pid; /* process of that tid */
    enum rw_certainty certainty;
    const char *how;      /* "the mutex's owner field", "an open `with` block at x.py:12", ... */
    const char *taken_at; /* "file:line" where the owner took it, NULL if not known */
    uint64_t pthread;     /* of an owner that the process does not have; 0 else */
};

/* A descriptor (fd -1: a mapping, or the process itself) by which a process has a hand on a channel. */
struct rw_holder {
    int pid;
    int fd;
    const char *name; /* of the process */
};

/* One of the things outside of its own process by which a thread's wait can end, and who has the other end of
 * it. A wait on several (poll) ends by any of them. */
struct rw_channel {
    const char *kind;  /* "pipe" (FIFOs too) "pty" "unix" "tcp" "eventfd" "process" "file-lock" "memory"
                          (shared);  "listener" "terminal" "file" "other": what anybody may end */
    int fd;            /* -1 if none */
    const char *name;  /* "pipe:[123]", "process 12 (sh)" */
    const char *wants; /* what ends the wait: "data" "room" "connection" "exit" "unlock" "post"
                          "opening" (of a FIFO's other end) */
    const char *state; /* of a TCP socket: "ESTABLISHED", "CLOSE_WAIT", "NOT_ACCEPTED" (its holders are those
                          of the listener); of a process: "alive", "zombie" */
    uint64_t inode;    /* of what the descriptor leads to; 0 if not known */
    struct rw_holder *holders; /* who can end the wait by it; the waiting process itself if it can */
    size_t holder_count;
    int holders_as;    /* fold.h: where they are written down, a thread that waits for the same; 0: here */
    int is_complete;   /* 1: nobody else can; 0: not every process could be looked into; -1: not looked at */
    bool is_only_news; /* epoll tells of it only when more comes (EPOLLET), or never (disarmed): it need not
                          be empty, or full */
    const char *note;  /* why it is not complete; or what has not happened */
};

/* What a thread waits for. `kind` is one of the words below: a closed list, since rules match on it. */
/* "mutex" "rwlock" "condition" "semaphore" "barrier" "join" (pthread_join) "fork"
 * "lock" "rlock" "python-condition" "event" "queue" "python-semaphore" "thread-join" "thread-start"
 * "import-lock" (Python's) "gil" "thread-state" (parked for ever by finalisation) "interpreter-guard"
 * "stream" (the lock of a stdio stream) "once" (an initialisation that is done once: pthread_once, a static
 * object) "libc-lock" (another one inside of libc, whose owner is known) "futex" (some other one) "sleep"
 * "poll" (poll, select, epoll: with or without time-out) "read" "write" "accept" "connect" "recv" "send"
 * "process" (waitid, wait4) "file-lock" "signal" (pause, sigwait) "sysv-semaphore" "syscall" (another system
 * call) */
struct rw_wait_on {
    const char *kind;
    uint64_t object;       /* address, or fd for read/write/...; 0 if none */
    const char *name;      /* as a person would write it: "self.lock_a", "mutex cache_lock", "pipe:[123]" */
    const char *call;      /* "pthread_mutex_lock", "lock.acquire", "read" */
    uint64_t since_ns;     /* 0: not known */
    bool has_deadline;     /* the wait ends by itself */
    double deadline_in_s;  /* seconds from now, when has_deadline and known, else 0 */
    struct rw_owner owner; /* of the object; for a join: the thread joined */
    int peer_pid;          /* the process waited for, or the other end's; -1 if not known */
    int fd;                /* -1 if none */
    const char *evidence;  /* "recording", "system call 202", "Python frame threading.py:1112" */
    struct rw_channel *channels; /* how other processes, or nobody, can end it */
    size_t channel_count;
};

/* A transition, from the recording; oldest first. */
struct rw_transition {
    uint64_t time_ns;
    uint64_t end_ns; /* for waits; 0 while it lasts */
    uint32_t count;  /* equal waits in a row */
    int tid;
    const char *name; /* of a thread that has ended and is not among the process' threads; else NULL */
    const char
        *event; /* "thread-create", "join-begin", "interpreter-destroy-begin", "test-begin", "wait", ... */
    const char *detail; /* a short sentence for people, without the thread and the time */
    const char *where;  /* "function (module+0x12)" of the caller, NULL if not known */
};

/* An interpreter's thread state. */
struct rw_thread_state_ref {
    uint64_t address;
    int64_t interpreter; /* id */
    uint64_t id;         /* unique id of the thread state */
    bool is_attached;    /* holds the GIL, or is attached in a free-threaded build */
};

struct rw_thread {
    int tid;     /* 0: recorded, but it never ran */
    int own_tid; /* what its process counts it as, in a PID namespace of its own; 0: the same; -1 not known */
    const char *name; /* the best name there is: Python's, else the one set natively, else comm */
    const char *comm;
    bool is_main;
    bool is_alive;     /* an OS thread backs it now */
    const char *state; /* "new" "running" "waiting" "exited" "joined" "detached" as recorded; "unrecorded" */
    char os_state;     /* R S D T t Z X of /proc; 0 if not known */
    uint64_t since_ns; /* when `state` began; 0 not known */
    uint64_t pthread;  /* pthread_t */

    /* Where it comes from */
    int creator_tid; /* 0 if not known */
    const char *creator_name;
    uint64_t created_ns;
    const char *created_in_test; /* "file.py::test" */
    const char *created_at;      /* code that created it, "function (module)" */
    int64_t creator_interpreter; /* id, -1 not known */
    const char *start_routine;   /* symbol */
    int is_detached;             /* 1, 0, -1 not known */

    /* Python */
    int is_daemon; /* threading's daemon flag: 1, 0, -1 not known or no Python thread */
    struct rw_thread_state_ref *thread_states;
    size_t thread_state_count;

    /* What it does to an interpreter: the innermost open call of the recording's hooks */
    const char *interpreter_call; /* "new" "destroy" "finalize", NULL if none */
    int64_t interpreter_call_id;  /* which interpreter, -1 not known */
    uint64_t interpreter_call_since_ns;

    struct rw_wait_on *waits_on; /* NULL: it does not wait, or not known: see os_state */

    struct rw_frame *native;
    size_t native_count;
    int native_as; /* fold.h: where they are written down, a thread of the process; 0: here */
    struct rw_python_frame *python;
    size_t python_count;
    int python_as; /* the same of them */
    const char
        *stack_source; /* "ptrace" "handler" "recording" "memory" (as it lay there while blocked) "none" */
    const char *stack_note; /* what could not be had and why, for people; NULL if all was had */
    double stopped_us;      /* how long the snapshot held it, 0 if it did not */

    struct rw_transition *history;
    size_t history_count;

    /* Progress between two looks; the first look leaves them at -1 */
    double cpu_s;       /* user + system time so far */
    double cpu_delta_s; /* of it since the look before */
    double queued_s;    /* time so far in which it could have run, and others had the processors */
    double queued_delta_s;
    int64_t switches_before; /* context switches so far, when the look began; -1 not known */
    int64_t switches;        /* and when it was over: the look itself makes some */
    int64_t switches_delta;  /* from the end of the look before to the beginning of this one */
    /* Of a thread that was ready to run: how often it had blocked when the look began, when the look was over
     * (being stopped counts), and between the looks; -1 not known. */
    int64_t blocks_before;
    int64_t blocks;
    int64_t blocks_delta;
    int64_t transitions; /* recorded transitions so far */
    int64_t transitions_delta;
    int moved;      /* 1: not at the same place as at the look before; 0: same; -1: no look before */
    int same_calls; /* 1: in the same functions as at the look before, at whatever line; 0: not; -1: no look
                       before */
};

struct rw_gil {
    uint64_t address;
    int is_enabled; /* 0 in a free-threaded process */
    int is_locked;  /* -1 not known */
    int holder_tid; /* -1 not known, 0 nobody */
    uint64_t holder_thread_state;
    enum rw_certainty certainty;
    uint64_t switches;      /* how often it went from one thread to another */
    uint64_t kept_since_ns; /* no other thread has had it since then at the latest, as two looks tell; 0 not
                               known */
};

struct rw_interpreter_info {
    int64_t id; /* -1 not known */
    uint64_t address;
    bool is_main;
    const char *state; /* "creating" "alive" "destroying" "destroyed", "alive" where only the process tells */
    uint64_t created_ns;
    int creator_tid;
    const char *created_in_test;
    int destroyer_tid; /* 0 none */
    uint64_t destroy_begin_ns;
    bool is_finalizing;
    bool shares_gil; /* with the main interpreter */
    struct rw_gil gil;
    struct rw_thread_state_ref *thread_states;
    int *thread_state_tids; /* same length; 0: no OS thread backs it, -1 not known */
    size_t thread_state_count;
};

/* A task of an event loop, alive at the moment of the snapshot. */
struct rw_task {
    const char *library; /* "asyncio" "trio" */
    const char *name;    /* "Task-1" */
    uint64_t address;    /* of the Task object */
    int64_t interpreter; /* id */
    int tid;             /* the thread that runs it, or whose loop will; 0 not known */
    /* "running": its frames are on the thread's stack. "waiting" for something, "ready": its turn will come,
     * "new": ready, and has not run yet. NULL: not known */
    const char *state;
    const char *waits_on;  /* what it waits for: "Task-2", "lock `a`", "asyncio.Future"; NULL not known */
    const char *cancelled; /* "asked": it was cancelled, and goes on; "shielded": what it is in was cancelled,
                            * and a shield keeps that from it. NULL: neither, or not known */
    uint64_t waits_for;    /* the Task object that it waits for; 0 none, or not known */
    uint64_t object;  /* the lock, event or the like of asyncio's that it waits for; 0 none, or not known */
    uint64_t held_by; /* the Task object that has the lock that it waits for; 0 none, or not known */
    const char *taken_at; /* where that one took it; NULL not known */
    struct rw_python_frame
        *frames; /* what awaits what, innermost first; of a running one down to its own coroutine */
    size_t frame_count;
};

/* A child that ended badly, as far as the monitor saw it end. */
struct rw_failed_child {
    int pid;
    const char *name;  /* base name of its executable */
    uint64_t ended_ns; /* at the latest */
    int signal;        /* that ended it; 0: none, or not known */
    int status;        /* that it exited with; -1: none, or not known */
};

/* A signal that the kernel has delivered and Python has noted, and whose handler has not run. */
struct rw_pending_signal {
    int signal;       /* number */
    const char *name; /* "SIGINT" */
    int tid;          /* Python's main thread, which alone runs handlers; 0 not known */
};

/* The signal that a process died of, or is about to. */
struct rw_crash {
    int signal;       /* number */
    const char *name; /* "SIGSEGV" */
    int code;         /* si_code; 0 not known */
    int tid;          /* the thread that it came to; 0 not known */
    int sender;       /* pid of who sent it; 0: nobody, or not known */
    uint64_t address; /* of the access that failed; 0: at that address, or none */
    bool has_address;
    uint64_t time_ns; /* 0 not known */
};

/* What a thread did to a thread, a lock or an interpreter that must not be done to it then. `other` is the
 * one that it was done to, or who was there before. */
struct rw_misuse_info {
    /* "late-thread" "join-of-joined" "join-of-detached" "detach-of-gone" "mutex-destroyed"
     * "condition-destroyed" "semaphore-destroyed" "foreign-unlock" "fork-lock" "interpreter-destroyed-again"
     * "interpreter-outlived" */
    const char *kind;
    const char
        *outcome; /* "open" "well" (it came to nothing) "cut" (of a late thread: ended before it was done) */
    uint32_t count;   /* how often it was done from the same two places */
    uint64_t time_ns; /* the first time */
    int tid;
    const char *name;     /* of the thread as it was called then; NULL if it had no name */
    uint64_t address;     /* in the code that did it, a return address */
    const char *where;    /* "file.c:12 in function", else "function (module+0x12)"; NULL not known */
    uint64_t object;      /* lock or interpreter; pthread_t of the thread joined */
    const char *variable; /* that the lock is, NULL not known */
    int64_t interpreter;  /* id, -1 not known or none */
    int other_tid;        /* 0 not known */
    const char *other_name;
    uint64_t other_address; /* of a late thread: its start routine */
    const char *other_where;
    uint64_t other_ns;  /* when the other began; of a late thread: when the end of the program began */
    const char *ending; /* of a late thread: "main-returned" "exit" "finalize" */
};

/* A thread took the lock `to` while it held `from`: which order of two locks it knows. */
struct rw_gate {
    uint64_t lock;
};
/* Where it took a lock, by its first call of that kind. */
struct rw_lock_place {
    const char *where;       /* as in struct rw_misuse_info */
    struct rw_frame *native; /* the innermost first */
    size_t native_count;
    struct rw_python_frame *python; /* the innermost few; without addresses */
    size_t python_count;
};
/* Another lock order by its number, that may be of one ring with it: nothing but the locks kept them apart.
 */
struct rw_meeting {
    unsigned number;
};
struct rw_lock_edge_info {
    unsigned number; /* in the process */
    int tid;
    const char *name;
    uint64_t time_ns;
    uint64_t from, to;                       /* addresses */
    uint32_t from_generation, to_generation; /* tell locks apart that had one address in turn */
    bool is_from_shared, is_to_shared;       /* as a reader */
    const char *from_kind, *to_kind;         /* "lock" "semaphore" "python-lock" "gil" */
    const char *from_name, *to_name;         /* the variables that they are; NULL not known */
    struct rw_lock_place from_place, to_place;
    struct rw_gate *gates; /* what else it held, exclusively */
    size_t gate_count;
    struct rw_meeting *meetings; /* of each two in one of them */
    size_t meeting_count;
};

struct rw_process_info {
    int pid;
    int ppid;
    int started_by;   /* the process that was its parent when it began to be recorded; 0 not known */
    const char *name; /* base name of the executable */
    const char *executable;
    const char *command; /* argv[0] and script name only: arguments may hold secrets */
    bool is_alive;
    const char *python;      /* "3.11.2", "3.13.15 free-threaded"; NULL if it runs no Python */
    const char *python_note; /* which layout was not believed and why; NULL if all is well */
    uint64_t started_ns;
    /* milestones; 0 until they happen */
    uint64_t main_returned_ns, exit_begin_ns, finalize_begin_ns, finalize_end_ns;
    const char *test;       /* the test that runs now, NULL if none */
    const char *test_phase; /* "setup" "call" "teardown" */
    uint64_t test_begin_ns;
    uint64_t tests_begun;
    const char *worker;    /* which worker of a run of tests it is, "gw0"; NULL if it is none */
    const char *last_test; /* the last one that ended */
    uint64_t last_test_end_ns;
    const char *started_in_test; /* the test that ran when this process was started, here or in its parent */
    struct rw_test_account *tests; /* those that left something behind, oldest first */
    size_t test_count;
    struct rw_thread *threads; /* main first */
    size_t thread_count;
    struct rw_thread_index *index; /* of them by TID, for model.c; NULL: none */
    struct rw_interpreter_info *interpreters;
    size_t interpreter_count;
    struct rw_task *tasks;
    size_t task_count;
    struct rw_failed_child *failed_children; /* in the order of time */
    size_t failed_child_count;
    struct rw_pending_signal *pending_signals;
    size_t pending_signal_count;
    struct rw_transition *history; /* lifecycle events of all threads in the order of time */
    size_t history_count;
    struct rw_crash *crash;         /* NULL: none */
    struct rw_misuse_info *misuses; /* oldest first */
    struct rw_lock_edge_info *lock_edges;
    size_t lock_edge_count;
    size_t misuse_count;
    int has_handlers; /* 1: a signal could make it act: it has handlers, fatal signals, SIGINT and racewatch's
                         own apart, of signals that some thread does not block; 0: none; -1 not known */
    const char **notes; /* what could not be had: hooks that failed, slots refused, tracing refused, ... */
    size_t note_count;
};

struct rw_culprit {
    int pid;
    int tid;
    const char *name;
    const char
        *role; /* "waits", "owner", "destroyer", "blocker", "leaked", "holder"; of a race "actor", "other" */
    const char *why; /* a sentence */
};

struct rw_verdict {
    const char *class_name; /* design's verdict classes, e.g. "cycle" */
    const char *sentence;   /* the answer, one sentence */
    enum rw_certainty certainty;
    bool is_ring; /* some of the culprits wait for each other: nothing outside of them can end it */
    struct rw_culprit *culprits;
    size_t culprit_count;
    const char **evidence; /* sentences, the strongest first */
    size_t evidence_count;
    const char *look_at;      /* "file:line in function": where a person should look first */
    const char *look_at_also; /* the other side of it, of the same form; NULL if there is none */
    const char *test;         /* the test that it belongs to; NULL if none */
};

struct rw_incident {
    int schema;
    const char *trigger;        /* "cycle" "test-timeout" "no-progress" "no-exit" "deadline" "signal" "dump"
                                 * "post-mortem"        "misuse" "crash" "lock-order" */
    const char *trigger_detail; /* a sentence */
    const char *test;           /* the test that was running, NULL if none */
    const char *command;        /* of the run: program and script name */
    uint64_t now_ns;
    double realtime_s;   /* seconds since the epoch at now_ns */
    const char *version; /* of racewatch */
    struct rw_process_info *processes;
    size_t process_count;
    struct rw_verdict verdict;
    struct rw_verdict *also; /* further verdicts, weaker or independent */
    size_t also_count;
    const char **notes; /* about the incident itself */
    size_t note_count;
    double took_ms;         /* spent on looks, without the pause between two of them */
    double between_looks_s; /* time that the threads' *_delta fields cover; 0: there was one look only */
};

#endif
