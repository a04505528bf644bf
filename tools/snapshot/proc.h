/* SPDX-License-Identifier: MIT */
/*
 * What /proc tells without stopping anything. Every function may be called from any thread; each returns 0 or
 * a negative errno, -ESRCH where the process or thread is gone. Arrays are talloc arrays under `parent`.
 */
#ifndef RACEWATCH_TOOLS_SNAPSHOT_PROC_H
#define RACEWATCH_TOOLS_SNAPSHOT_PROC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bytes of comm, the final 0 included. */
#define RW_COMM_MAX 16

struct rw_thread_times {
    int tid;
    char state;         /* R S D T t Z X I */
    double cpu_s;       /* user + system so far; in steps of a clock tick (10 ms) */
    uint64_t cpu_ns;    /* time on a CPU so far, from schedstat; 0 where the kernel does not keep it */
    uint64_t queued_ns; /* time it could have run and waited for a CPU, from there too */
    uint64_t switches;  /* times it was given a CPU */
    int cpu;            /* the one that it runs on, or ran on last; -1 not known */
};

/* The threads' TIDs in the order of the kernel: the leader first. */
int rw_proc_threads(void *parent, int pid, int **tids, size_t *count);

/* One thread's times and state: two small reads. `comm` may be NULL. */
int rw_proc_thread(int pid, int tid, struct rw_thread_times *times, char comm[RW_COMM_MAX]);

/* Times it was given a CPU, alone: one small read. */
int rw_proc_switches(int pid, int tid, uint64_t *switches);

/* Whether some thread of the process can still run (a leader that ended by pthread_exit is a zombie, and its
 * process alive), and it is the process that existed at `boottime_ns` (CLOCK_BOOTTIME; 0: any), not a later
 * one of the same number. What cannot be read, for want of descriptors say, speaks for its life. */
bool rw_proc_alive(int pid, uint64_t boottime_ns);

/* A thread that is neither a zombie nor gone: to reach the process' memory and maps through. -ESRCH if none.
 */
int rw_proc_living_thread(int pid);

/* The process counts threads in another PID namespace than this program: the TIDs in its memory are not ours.
 * False where the kernel refuses to say. */
bool rw_proc_is_elsewhere(int pid);

/* The process that is `own_pid` in a PID namespace below ours, which is named by the inode of its ns/pid; or
 * -ESRCH. Looks at every process. */
int rw_proc_find_elsewhere(uint64_t space, int own_pid);

/* /proc is mounted so that it leaves out processes of other users (hidepid). */
bool rw_proc_hides_processes(void);

/* Processes whose parent is `pid`, through any of its threads. Zombies are included. */
int rw_proc_children(void *parent, int pid, int **pids, size_t *count);

struct rw_proc_status {
    int ppid;
    int own_tid;     /* in the innermost PID namespace that it is in; 0: not known */
    int tracer_pid;  /* who traces it now, 0 if nobody */
    uint64_t caught; /* bit n-1: a handler is installed for signal n */
    uint64_t ignored;
    uint64_t blocked; /* by this thread */
    uint64_t pending; /* for this thread or the whole process */
    int64_t blocks;   /* times it gave a CPU up to wait for something; -1 not known */
};

int rw_proc_status(int pid, int tid, struct rw_proc_status *status);

/* The system call that a thread is blocked in. `number` is -1 where it is stopped outside of one, and -2
 * where it runs on a CPU (then all else is 0). -EPERM or -EACCES where the kernel refuses to say. */
struct rw_proc_syscall {
    int number;
    uint64_t argument[6];
    uint64_t stack_pointer;
    uint64_t pc;
};

int rw_proc_syscall(int pid, int tid, struct rw_proc_syscall *call);

/* What a descriptor is: "pipe:[123]", "socket:[456]", a path. A string under `parent`. */
int rw_proc_fd_target(void *parent, int pid, int tid, int fd, const char **target);

/* Where this program can open a file that the process knows by that path, or that the kernel names so in the
 * process' maps: through its root, which may be another one than ours (a container's, a chroot's), and only
 * then as it stands. Whether it is the file that was meant, the caller must see. A string under `parent`;
 * NULL for want of memory. */
const char *rw_proc_path(void *parent, int pid, const char *path);

/* The executable's path; the name of the tracer of a thread, or of any process. Strings under `parent`. */
int rw_proc_executable(void *parent, int pid, const char **path);
int rw_proc_comm(int pid, char comm[RW_COMM_MAX]);

/* argv[0] and, for an interpreter, the script or module: arguments may hold secrets, so no others. */
int rw_proc_command(void *parent, int pid, const char **command);

/* What a process ended with, as waitpid would tell its parent. `pidfd` was opened while it lived. -ESRCH
 * where it lives, or was waited for and the kernel (before Linux 6.15) does not know any more; -ENODATA where
 * it is not for us to know; a zombie that ended well counts as such. */
int rw_proc_ended_with(int pid, int pidfd, int *status);

#endif
