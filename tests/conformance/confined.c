/* SPDX-License-Identifier: MIT */
/* Programs that give themselves a seccomp filter, under which a system call that they do not make themselves
 * is their end: by prctl, and by syscall, as libseccomp does. */
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <semaphore.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/conformance/behaviour.h"

/* What glibc calls for threads, and for what is done here. */
static const int allowed[] = {
    SYS_brk,    SYS_clone,     SYS_clone3,       SYS_exit,           SYS_exit_group,
    SYS_futex,  SYS_getrandom, SYS_madvise,      SYS_mmap,           SYS_mprotect,
    SYS_munmap, SYS_rseq,      SYS_rt_sigaction, SYS_rt_sigprocmask, SYS_set_robust_list,
    SYS_wait4,  SYS_write,
};
#define ALLOWED (sizeof allowed / sizeof allowed[0])

static bool is_by_syscall;

static int set_filter(struct sock_fprog *program)
{
    return is_by_syscall ? (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, program)
                         : prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, program);
}

static void confine(void)
{
    struct sock_filter filter[2 * ALLOWED + 2];
    struct sock_fprog program = {.filter = filter};
    filter[program.len++] =
        (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
    for (size_t i = 0; i < ALLOWED; i++) {
        filter[program.len++] =
            (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)allowed[i], 0, 1);
        filter[program.len++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    }
    filter[program.len++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS);
    const struct rlimit no_core = {0, 0};
    setrlimit(RLIMIT_CORE, &no_core);
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    if (set_filter(&program) != 0)
        _exit(90);
}

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t condition = PTHREAD_COND_INITIALIZER;
static sem_t semaphore;
static int counted;

static void *count(void *unused)
{
    for (int i = 0; i < 200; i++) {
        pthread_mutex_lock(&mutex);
        counted++;
        pthread_mutex_unlock(&mutex);
    }
    sem_wait(&semaphore);
    return unused;
}

/* More than the recording has room for at first. */
static int by_threads(void)
{
    pthread_t threads[60];
    int failed = 0;
    for (int i = 0; i < 60; i++)
        failed += pthread_create(&threads[i], NULL, count, NULL) != 0;
    for (int i = 0; i < 60; i++)
        sem_post(&semaphore);
    for (int i = 0; i < 60; i++)
        failed += pthread_join(threads[i], NULL) != 0;
    return failed != 0 || counted != 60 * 200;
}

static int by_waits(void)
{
    const struct timespec past = {.tv_sec = 1};
    pthread_mutex_lock(&mutex);
    int wrong = pthread_cond_timedwait(&condition, &mutex, &past) != ETIMEDOUT;
    wrong += pthread_mutex_timedlock(&mutex, &past) != ETIMEDOUT;
    wrong += sem_timedwait(&semaphore, &past) != -1;
    pthread_cond_broadcast(&condition);
    return wrong;
}

static void *unlock_it(void *taken)
{
    pthread_mutex_unlock(taken);
    return taken;
}

static int by_misuse(void)
{
    pthread_t thread;
    pthread_mutex_lock(&mutex);
    int wrong = pthread_create(&thread, NULL, unlock_it, &mutex) + pthread_join(thread, NULL);
    pthread_mutex_lock(&mutex);
    wrong += pthread_mutex_destroy(&mutex) != EBUSY;
    wrong += pthread_create(&thread, NULL, unlock_it, &mutex) + pthread_detach(thread);
    return wrong;
}

static int by_fork(void)
{
    int status = 0;
    pid_t pid = fork();
    if (pid == 0)
        _exit(by_threads() ? 1 : 5);
    return waitpid(pid, &status, 0) != pid || status != 5 << 8;
}

static int by_environment(void)
{
    return setenv("PYTEST_CURRENT_TEST", "a.py::test_a (call)", 1) + unsetenv("PYTEST_CURRENT_TEST");
}

static int by_exit(void)
{
    exit(6);
}

static int by_fault(void)
{
    raise(SIGSYS); /* tgkill is not allowed */
    return 1;
}

static int by_division(void)
{
    volatile int nought = 0;
    __asm__ volatile("idivl %0" : : "r"(nought) : "eax", "edx");
    return 1;
}

static int by_actions(void)
{
    struct sigaction seen;
    memset(&seen, 0xff, sizeof seen);
    return sigaction(SIGFPE, NULL, &seen) || seen.sa_handler != SIG_DFL;
}

static void tell_one(const char *name, int (*run)(void))
{
    pid_t pid = fork();
    if (pid == 0) {
        confine();
        _exit(run());
    }
    tell(name, status_of(pid));
}

/* What a child of vfork does to itself it does not do to its parent, whose memory it has. */
static void tell_of_vfork(void)
{
    struct sigaction seen;
    pid_t pid = vfork();
    if (pid == 0) {
        confine();
        _exit(7);
    }
    tell(" a child of vfork", status_of(pid));
    sigaction(SIGSEGV, NULL, &seen);
    tell(" its parent's SIGSEGV, default", seen.sa_handler == SIG_DFL);
}

void tell_confined(const char *self)
{
    (void)self;
    sem_init(&semaphore, 0, 0);
    for (int way = 0; way < 2; way++) {
        is_by_syscall = way == 1;
        printf("a filter by %s\n", is_by_syscall ? "syscall" : "prctl");
        tell(" no program", set_filter(NULL));
        tell_one(" threads", by_threads);
        tell_one(" waits", by_waits);
        tell_one(" misuse", by_misuse);
        tell_one(" fork", by_fork);
        tell_one(" environment", by_environment);
        tell_one(" exit", by_exit);
        tell_one(" what it does not allow", by_fault);
        tell_one(" a division", by_division);
        tell_one(" a signal's action", by_actions);
        tell_of_vfork();
    }
}
