/* SPDX-License-Identifier: MIT */
/* Fatal signals: what the parent of a process that dies of one sees, and what a program sees of its actions.
 */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/conformance/behaviour.h"

static volatile sig_atomic_t caught, caught_code;
static volatile int nought;
static volatile int *volatile nowhere = NULL;

static void by_fault(void)
{
    *nowhere = nought;
}

static void by_abort(void)
{
    abort();
}

static void by_breakpoint(void)
{
    __asm__ volatile("int3");
}

static void by_illegal_instruction(void)
{
    __asm__ volatile("ud2");
}

static void by_division(void)
{
    __asm__ volatile("idivl %0" : : "r"(nought) : "eax", "edx");
}

static void by_kill(void)
{
    kill(getpid(), SIGBUS);
    pause();
}

static void by_raise(void)
{
    raise(SIGSYS);
}

static __attribute__((noinline)) int deeper(volatile char *above)
{
    volatile char here[4096];
    here[0] = above[0];
    return nought ? 0 : deeper(here) + here[0];
}

static void by_overflow(void)
{
    volatile char bottom = 0;
    deeper(&bottom);
}

static void put_back(int number, siginfo_t *info, void *context)
{
    (void)context;
    caught = info->si_code;
    signal(number, SIG_DFL);
}

static void by_own_handler(void)
{
    struct sigaction action = {.sa_sigaction = put_back, .sa_flags = SA_SIGINFO};
    sigaction(SIGSEGV, &action, NULL);
    by_fault();
}

static void by_ignored_abort(void)
{
    signal(SIGABRT, SIG_IGN);
    abort();
}

static void *fault_in_thread(void *unused)
{
    by_fault();
    return unused;
}

static void by_thread(void)
{
    in_thread(fault_in_thread, NULL);
}

static void *raise_after(void *unused)
{
    by_abort();
    return unused;
}

/* The main thread ends the process by itself, and another one dies of a signal before that. */
static void while_main_ends(void)
{
    pthread_t thread;
    pthread_create(&thread, NULL, raise_after, NULL);
    pthread_join(thread, NULL);
    exit(0);
}

static void tell_death(const char *name, void (*die)(void))
{
    int status = 0;
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        const struct rlimit no_core = {0, 0};
        setrlimit(RLIMIT_CORE, &no_core);
        die();
        _exit(99);
    }
    waitpid(child, &status, 0);
    tell(name, WIFSIGNALED(status) ? 1000 + WTERMSIG(status) : 2000 + WEXITSTATUS(status));
}

static void note_code(int number, siginfo_t *info, void *context)
{
    (void)number;
    (void)context;
    caught++;
    caught_code = info->si_code;
}

static void tell_action(const char *name, int number)
{
    struct sigaction seen;
    memset(&seen, 0xff, sizeof seen);
    TELL_ERRNO(name, sigaction(number, NULL, &seen));
    tell(" a handler", seen.sa_handler != SIG_DFL && seen.sa_handler != SIG_IGN);
    tell(" ignored", seen.sa_handler == SIG_IGN);
    tell(" its flags", seen.sa_flags);
    tell(" blocks SIGUSR1", sigismember(&seen.sa_mask, SIGUSR1));
}

static void tell_actions(void)
{
    struct sigaction action = {.sa_sigaction = note_code, .sa_flags = SA_SIGINFO}, seen;
    struct sigaction by_default = {.sa_handler = SIG_DFL, .sa_flags = SA_NODEFER};
    tell_action("SIGSEGV at first", SIGSEGV);
    TELL_ERRNO("a handler for SIGSEGV", sigaction(SIGSEGV, &action, &seen));
    tell(" before it, default", seen.sa_handler == SIG_DFL && seen.sa_flags == 0);
    raise(SIGSEGV);
    tell(" it ran", caught);
    tell(" with the code of raise", caught_code);
    sigaddset(&by_default.sa_mask, SIGUSR1);
    TELL_ERRNO("the default for SIGSEGV", sigaction(SIGSEGV, &by_default, &seen));
    tell(" before it, the handler", seen.sa_sigaction == note_code);
    tell_action("SIGSEGV set to its default", SIGSEGV);
    tell("signal gives the default", signal(SIGFPE, SIG_IGN) == SIG_DFL);
    tell("signal gives what was ignored", signal(SIGFPE, SIG_DFL) == SIG_IGN);
    tell("signal gives the default again", signal(SIGFPE, SIG_DFL) == SIG_DFL);
    tell("sysv_signal gives the default", sysv_signal(SIGFPE, SIG_DFL) == SIG_DFL);
    TELL_ERRNO("no such signal", sigaction(4000, &action, NULL));
    TELL_ERRNO("SIGKILL", sigaction(SIGKILL, &action, NULL));
    signal(SIGSEGV, SIG_DFL);
}

static void tell_blocked(void)
{
    sigset_t set;
    int number = 0;
    sigemptyset(&set);
    sigaddset(&set, SIGABRT);
    sigprocmask(SIG_BLOCK, &set, NULL);
    raise(SIGABRT);
    TELL_ERRNO("sigwait for SIGABRT", sigwait(&set, &number));
    tell(" it is", number);
    sigprocmask(SIG_UNBLOCK, &set, NULL);
}

void tell_crashes(const char *self)
{
    (void)self;
    tell_actions();
    tell_blocked();
    tell_death("dies of a fault", by_fault);
    tell_death("dies of abort", by_abort);
    tell_death("dies of a breakpoint", by_breakpoint);
    tell_death("dies of an illegal instruction", by_illegal_instruction);
    tell_death("dies of a division", by_division);
    tell_death("dies of kill", by_kill);
    tell_death("dies of raise", by_raise);
    tell_death("dies of a stack that overflows", by_overflow);
    tell_death("dies after its own handler", by_own_handler);
    tell_death("dies of abort, ignored", by_ignored_abort);
    tell_death("dies of a thread's fault", by_thread);
    tell_death("dies while main ends", while_main_ends);
}
