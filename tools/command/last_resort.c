/* SPDX-License-Identifier: MIT */
/* All that runs after the fault is async-signal-safe, and trusts nothing that was computed since begin(). */
#include "tools/command/last_resort.h"

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tools/command/commands.h"
#include "tools/monitor/reached.h"

#define ALT_STACK 65536

static struct {
    char *const *command;
    char *const *environment;
    void (*restore_signals)(void);
    sigset_t mask;
    const sigset_t *taken;
    pid_t self;
    volatile pid_t child; /* 0: not there yet */
    volatile bool has_ended;
    volatile int status;
} last;

static const int fatal[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGSYS};

static void say(int number)
{
    const char *name = sigabbrev_np(number);
    const char *const parts[] = {"racewatch run: nothing is watched any more: racewatch itself failed (SIG",
                                 name != NULL ? name : "?", ")\n"};
    char line[128];
    size_t length = 0;
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        memcpy(line + length, parts[i], strlen(parts[i]));
        length += strlen(parts[i]);
    }
    if (write(STDERR_FILENO, line, length) < 0) {
        /* There is nobody left to tell. */
    }
}

static void pass(int number, siginfo_t *info, void *context)
{
    (void)context;
    if (!rw_signal_has_reached_program(info))
        kill(last.child, number);
}

static void pass_signals(void)
{
    struct sigaction action = {.sa_sigaction = pass, .sa_flags = SA_SIGINFO | SA_RESTART};
    for (int number = 1; number < SIGRTMIN; number++)
        if (number != SIGCHLD && sigismember(last.taken, number) == 1)
            sigaction(number, &action, NULL);
    sigprocmask(SIG_SETMASK, &last.mask, NULL);
}

static void run_program(void)
{
    last.restore_signals();
    sigprocmask(SIG_SETMASK, &last.mask, NULL);
    execvpe(last.command[0], last.command, last.environment);
    _exit(errno == ENOENT ? RW_EXIT_NOT_FOUND : RW_EXIT_NOT_RUN);
}

static int wait_for_child(void)
{
    int status = 0;
    pass_signals();
    while (waitpid(last.child, &status, 0) < 0)
        if (errno != EINTR)
            _exit(RW_EXIT_OWN);
    return status;
}

/* A look is a child of ours and has this handler, too; it ends as the signal has it, and its parent tells. */
static void broke(int number)
{
    if (getpid() != last.self)
        return; /* once more, by the default: SA_RESETHAND */
    say(number);
    if (last.child == 0)
        run_program();
    int status = last.has_ended ? last.status : wait_for_child();
    _exit(WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status));
}

void rw_last_resort_begin(char *const *command, char *const *environment, void (*restore_signals)(void))
{
    static char stack[ALT_STACK];
    const stack_t other = {.ss_sp = stack, .ss_size = sizeof(stack)};
    struct sigaction action = {.sa_handler = broke, .sa_flags = SA_RESETHAND | SA_ONSTACK};
    last.command = command;
    last.environment = environment;
    last.restore_signals = restore_signals;
    last.self = getpid();
    sigprocmask(SIG_SETMASK, NULL, &last.mask);
    sigaltstack(&other, NULL);
    for (size_t i = 0; i < sizeof(fatal) / sizeof(fatal[0]); i++)
        sigaction(fatal[i], &action, NULL);
}

void rw_last_resort_child(pid_t child, const sigset_t *taken)
{
    last.taken = taken;
    last.child = child;
}

void rw_last_resort_status(int wait_status)
{
    last.status = wait_status;
    last.has_ended = true;
}
