/* SPDX-License-Identifier: MIT */
/*
 * Runs a program in which one system call of racewatch's fails, once, as it may on any machine:
 *
 *     one_fails WHO NTH ERRNO LOG -- PROGRAM [ARGUMENT...]
 *
 * WHO is "library": of the calls that libracewatch.so itself makes, in the program and its children; or
 * "monitor": of those that processes of the racewatch program make, once they have been loaded. The NTH of
 * them, counted from 1 over all processes, returns -ERRNO and is not made. Calls that cannot fail are not
 * counted, nor is execve(), with which the program itself would not begin. LOG gets the call's number (-1:
 * there were fewer) and how many were counted. Whoever need not be traced is not: the monitor wants to
 * trace, too.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#define TRACED_MAX 4096
#define OPTIONS                                                                                              \
    (PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | PTRACE_O_TRACECLONE |                \
     PTRACE_O_TRACEEXEC)

struct traced {
    pid_t pid;
    int is_inside;  /* a system call was begun */
    int is_failing; /* this one is not made */
    int is_monitor;
    unsigned long from, to; /* code of the library; of a monitor, of the loader. 0 not known yet */
};

static struct traced traced[TRACED_MAX];
static size_t traced_count;
static int is_library, error_number, is_done;
static long nth, count, failed_call = -1;

static struct traced *find(pid_t pid)
{
    for (size_t i = 0; i < traced_count; i++)
        if (traced[i].pid == pid)
            return &traced[i];
    if (traced_count == TRACED_MAX)
        exit(125);
    traced[traced_count] = (struct traced){.pid = pid};
    return &traced[traced_count++];
}

static void forget(pid_t pid)
{
    *find(pid) = traced[--traced_count];
}

/* Whether the process runs the racewatch program. */
static int is_racewatch(pid_t pid)
{
    char link[64], path[PATH_MAX] = "";
    snprintf(link, sizeof link, "/proc/%d/exe", pid);
    ssize_t length = readlink(link, path, sizeof path - 1);
    return length > 10 && strcmp(path + length - 10, "/racewatch") == 0;
}

static void find_code(struct traced *of)
{
    const char *what = is_library ? "/libracewatch.so" : "/ld-linux-x86-64.so";
    char name[64], line[PATH_MAX + 128];
    snprintf(name, sizeof name, "/proc/%d/maps", of->pid);
    FILE *maps = fopen(name, "r");
    while (maps && of->to == 0 && fgets(line, sizeof line, maps)) {
        unsigned long from, to;
        char rights[8];
        if (strstr(line, what) && sscanf(line, "%lx-%lx %7s", &from, &to, rights) == 3 && rights[2] == 'x') {
            of->from = from;
            of->to = to;
        }
    }
    if (maps)
        fclose(maps);
}

static int can_fail(long call)
{
    static const long others[] = {SYS_getpid,         SYS_getppid,      SYS_gettid,          SYS_getuid,
                                  SYS_geteuid,        SYS_getgid,       SYS_getegid,         SYS_brk,
                                  SYS_rt_sigprocmask, SYS_rt_sigaction, SYS_rt_sigreturn,    SYS_exit,
                                  SYS_exit_group,     SYS_close,        SYS_set_robust_list, SYS_execve,
                                  SYS_clock_gettime,  SYS_umask,        SYS_set_tid_address};
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        if (others[i] == call)
            return 0;
    return 1;
}

static int counts(struct traced *of, const struct user_regs_struct *registers)
{
    if (of->is_monitor == is_library || !can_fail((long)registers->orig_rax))
        return 0;
    if (of->to == 0)
        find_code(of);
    int is_of_code = registers->rip >= of->from && registers->rip < of->to;
    return is_library ? is_of_code : !is_of_code;
}

static void begin_or_end_call(struct traced *of)
{
    struct user_regs_struct registers;
    if (ptrace(PTRACE_GETREGS, of->pid, 0, &registers) != 0)
        return;
    of->is_inside = !of->is_inside;
    if (of->is_inside && !is_done && counts(of, &registers) && ++count == nth) {
        of->is_failing = is_done = 1;
        failed_call = (long)registers.orig_rax;
        registers.orig_rax = (unsigned long)-1;
        ptrace(PTRACE_SETREGS, of->pid, 0, &registers);
    } else if (!of->is_inside && of->is_failing) {
        of->is_failing = 0;
        registers.rax = (unsigned long)-error_number;
        ptrace(PTRACE_SETREGS, of->pid, 0, &registers);
    }
}

/* Where only the monitor is asked for, whoever else there is may go once it is there. */
static void become_another(struct traced *of)
{
    of->from = of->to = 0;
    of->is_inside = 1; /* execve's own end follows */
    of->is_monitor = is_racewatch(of->pid);
    for (size_t i = 0; of->is_monitor && !is_library && i < traced_count; i++)
        if (!traced[i].is_monitor) /* who waits in a call would stay */
            ptrace(PTRACE_INTERRUPT, traced[i].pid, 0, 0);
}

static int is_needed(const struct traced *of)
{
    int is_monitor_there = 0;
    for (size_t i = 0; i < traced_count; i++)
        is_monitor_there |= traced[i].is_monitor;
    return of->is_failing ||
           (!is_done && (is_library ? !of->is_monitor : of->is_monitor || !is_monitor_there));
}

static void go_on(struct traced *of, int signal)
{
    if (is_needed(of)) {
        ptrace(PTRACE_SYSCALL, of->pid, 0, signal);
    } else {
        ptrace(PTRACE_DETACH, of->pid, 0, signal);
        forget(of->pid);
    }
}

static void take_stop(pid_t pid, int status)
{
    struct traced *of = find(pid);
    int signal = WSTOPSIG(status), event = status >> 16, passed = 0;
    unsigned long child;
    if (signal == (SIGTRAP | 0x80)) {
        begin_or_end_call(of);
    } else if (event == PTRACE_EVENT_EXEC) {
        become_another(of);
    } else if (event == PTRACE_EVENT_FORK || event == PTRACE_EVENT_VFORK || event == PTRACE_EVENT_CLONE) {
        if (ptrace(PTRACE_GETEVENTMSG, pid, 0, &child) == 0) {
            struct traced *other = find((pid_t)child);
            of = find(pid);
            other->is_monitor = of->is_monitor;
            other->from = of->from;
            other->to = of->to;
        }
    } else if (event == 0 && signal != SIGSTOP) {
        passed = signal;
    } else if (event == PTRACE_EVENT_STOP && signal != SIGTRAP) {
        ptrace(PTRACE_LISTEN, pid, 0, 0);
        return;
    } else if (event == 0) {
        passed = signal;
    }
    go_on(of, passed);
}

static int watch(pid_t first)
{
    int status, result = 125;
    pid_t pid;
    while ((pid = waitpid(-1, &status, __WALL)) > 0) {
        if (WIFSTOPPED(status)) {
            take_stop(pid, status);
            continue;
        }
        if (pid == first)
            result = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
        forget(pid);
        if (pid == first && traced_count == 0)
            break;
    }
    return result;
}

int main(int argc, char **argv)
{
    if (argc < 7 || strcmp(argv[5], "--") != 0)
        return 125;
    is_library = strcmp(argv[1], "library") == 0;
    nth = atol(argv[2]);
    error_number = atoi(argv[3]);
    pid_t first = fork();
    if (first == 0) {
        raise(SIGSTOP);
        execvp(argv[6], argv + 6);
        _exit(126);
    }
    int status;
    waitpid(first, &status, WUNTRACED);
    if (ptrace(PTRACE_SEIZE, first, 0, OPTIONS) != 0)
        return 125;
    find(first);
    kill(first, SIGCONT);
    int result = watch(first);
    FILE *log = fopen(argv[4], "w");
    if (log) {
        fprintf(log, "%ld %ld\n", failed_call, count);
        fclose(log);
    }
    return result;
}
