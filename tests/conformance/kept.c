/* SPDX-License-Identifier: MIT */
/* errno, which no call that succeeds and none that returns its error may touch; a wait that is over, which
 * never is before its time. */
#include <dlfcn.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <spawn.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <threads.h>
#include <unistd.h>

#include "tests/conformance/behaviour.h"

extern char **environ;

static const struct timespec past = {.tv_sec = 1};
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER, taken = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t condition = PTHREAD_COND_INITIALIZER;
static pthread_rwlock_t rwlock = PTHREAD_RWLOCK_INITIALIZER;
static pthread_barrier_t barrier;
static sem_t semaphore;
static mtx_t c11_mutex;
static pthread_t thread;
static thrd_t c11_thread;
static pid_t pid;

static void *nothing(void *unused)
{
    return unused;
}

static int nothing_c11(void *unused)
{
    return unused != NULL;
}

static pid_t fork_and_end(void)
{
    pid_t child = fork();
    if (child == 0)
        _exit(errno == 77 ? 7 : 8);
    return child;
}

static int spawn(const char *program)
{
    char name[] = "true", *arguments[] = {name, NULL};
    return posix_spawnp(&pid, program, NULL, NULL, arguments, environ);
}

static int wait_for_child(void)
{
    int kept = errno, status = 0;
    waitpid(pid, &status, 0);
    errno = kept;
    return WEXITSTATUS(status);
}

static _Atomic pid_t waiter;

static void *post_when_blocked(void *unused)
{
    await_blocked(&waiter, SYS_futex, &semaphore, sizeof semaphore);
    sem_post(&semaphore);
    return unused;
}

static int wait_for_post(void)
{
    waiter = gettid();
    int error = pthread_create(&thread, NULL, post_when_blocked, NULL);
    return error + sem_wait(&semaphore) + pthread_join(thread, NULL);
}

/* One after the other, in one thread: what one makes the next one uses. */
#define CALLS(CALL)                                                                                          \
    CALL(mutex_lock, pthread_mutex_lock(&mutex))                                                             \
    CALL(mutex_trylock of a taken one, pthread_mutex_trylock(&mutex))                                        \
    CALL(mutex_timedlock of a taken one, pthread_mutex_timedlock(&mutex, &past))                             \
    CALL(mutex_clocklock, pthread_mutex_clocklock(&mutex, CLOCK_MONOTONIC, &past))                           \
    CALL(mutex_destroy of a taken one, pthread_mutex_destroy(&mutex))                                        \
    CALL(cond_timedwait, pthread_cond_timedwait(&condition, &mutex, &past))                                  \
    CALL(cond_clockwait, pthread_cond_clockwait(&condition, &mutex, CLOCK_MONOTONIC, &past))                 \
    CALL(cond_signal, pthread_cond_signal(&condition))                                                       \
    CALL(cond_broadcast, pthread_cond_broadcast(&condition))                                                 \
    CALL(cond_destroy, pthread_cond_destroy(&condition))                                                     \
    CALL(mutex_unlock, pthread_mutex_unlock(&mutex))                                                         \
    CALL(mtx_lock, mtx_lock(&c11_mutex))                                                                     \
    CALL(mtx_timedlock, mtx_timedlock(&c11_mutex, &past))                                                    \
    CALL(mtx_unlock, mtx_unlock(&c11_mutex))                                                                 \
    CALL(rdlock, pthread_rwlock_rdlock(&rwlock))                                                             \
    CALL(trywrlock, pthread_rwlock_trywrlock(&rwlock))                                                       \
    CALL(timedwrlock, pthread_rwlock_timedwrlock(&rwlock, &past))                                            \
    CALL(clockwrlock, pthread_rwlock_clockwrlock(&rwlock, CLOCK_MONOTONIC, &past))                           \
    CALL(rwlock_unlock, pthread_rwlock_unlock(&rwlock))                                                      \
    CALL(wrlock, pthread_rwlock_wrlock(&rwlock))                                                             \
    CALL(rdlock by its writer, pthread_rwlock_rdlock(&rwlock))                                               \
    CALL(timedrdlock, pthread_rwlock_timedrdlock(&rwlock, &past))                                            \
    CALL(rwlock_unlock again, pthread_rwlock_unlock(&rwlock))                                                \
    CALL(rwlock_destroy, pthread_rwlock_destroy(&rwlock))                                                    \
    CALL(barrier_wait, pthread_barrier_wait(&barrier))                                                       \
    CALL(sem_wait, sem_wait(&semaphore))                                                                     \
    CALL(sem_post, sem_post(&semaphore))                                                                     \
    CALL(sem_timedwait, sem_timedwait(&semaphore, &past))                                                    \
    CALL(sem_trywait of none, sem_trywait(&semaphore))                                                       \
    CALL(sem_timedwait of none, sem_timedwait(&semaphore, &past))                                            \
    CALL(sem_clockwait of none, sem_clockwait(&semaphore, CLOCK_MONOTONIC, &past))                           \
    CALL(sem_wait that blocks, wait_for_post())                                                              \
    CALL(sem_destroy, sem_destroy(&semaphore))                                                               \
    CALL(create, pthread_create(&thread, NULL, nothing, NULL))                                               \
    CALL(setname, pthread_setname_np(pthread_self(), "named"))                                               \
    CALL(setname too long, pthread_setname_np(pthread_self(), "a name that is too long"))                    \
    CALL(join, pthread_join(thread, NULL))                                                                   \
    CALL(create another, pthread_create(&thread, NULL, nothing, NULL))                                       \
    CALL(detach, pthread_detach(thread))                                                                     \
    CALL(thrd_create, thrd_create(&c11_thread, nothing_c11, NULL))                                           \
    CALL(thrd_join, thrd_join(c11_thread, NULL))                                                             \
    CALL(fork, (pid = fork_and_end()) < 0)                                                                   \
    CALL(its child, wait_for_child())                                                                        \
    CALL(_Fork, ((pid = _Fork()) == 0 ? _exit(errno == 77 ? 7 : 8) : (void)0, pid < 0))                      \
    CALL(its child, wait_for_child())                                                                        \
    CALL(posix_spawn, spawn("/bin/true"))                                                                    \
    CALL(its status, wait_for_child())                                                                       \
    CALL(posix_spawn of nobody, spawn("/nonexistent/nobody"))                                                \
    CALL(execv of nobody, execv("/nonexistent/nobody", (char *[]){NULL}))                                    \
    CALL(execvp of nobody, execvp("/nonexistent/nobody", (char *[]){NULL}))                                  \
    CALL(execve of nobody, execve("/nonexistent/nobody", (char *[]){NULL}, environ))                         \
    CALL(execvpe of nobody, execvpe("/nonexistent/nobody", (char *[]){NULL}, environ))                       \
    CALL(fexecve of nobody, fexecve(-1, (char *[]){NULL}, environ))                                          \
    CALL(execveat of nobody, execveat(-1, "nobody", (char *[]){NULL}, environ, 0))                           \
    CALL(setenv, setenv("PYTEST_CURRENT_TEST", "a.py::test_a (call)", 1))                                    \
    CALL(setenv of no name, setenv("", "a", 1))                                                              \
    CALL(unsetenv, unsetenv("PYTEST_CURRENT_TEST"))                                                          \
    CALL(sigaction, sigaction(SIGSEGV, NULL, NULL))                                                          \
    CALL(sigaction of none, sigaction(4000, NULL, NULL))                                                     \
    CALL(signal, signal(SIGFPE, SIG_DFL) == SIG_ERR)                                                         \
    CALL(signal of none, signal(4000, SIG_DFL) == SIG_ERR)                                                   \
    CALL(prctl, prctl(PR_SET_NAME, "renamed"))                                                               \
    CALL(prctl of none, prctl(12345678))                                                                     \
    CALL(syscall, syscall(SYS_gettid) <= 0)                                                                  \
    CALL(syscall of none, syscall(SYS_close, -1))                                                            \
    CALL(syscall with six, syscall(SYS_futex, &pid, 1, 0x7fffffff, NULL, &pid, 0))                           \
    CALL(dlsym, dlsym(RTLD_DEFAULT, "pthread_join") == NULL)                                                 \
    CALL(sched_yield, sched_yield())                                                                         \
    CALL(clock_gettime, clock_gettime(CLOCK_MONOTONIC, &(struct timespec){0}))                               \
    CALL(clock_gettime of none, clock_gettime(99, &(struct timespec){0}))

static void tell_kept(const char *name, long result)
{
    const int now = errno;
    char line[64];
    snprintf(line, sizeof line, " %s", name);
    tell(line, result);
    if (now != 77)
        tell("  errno", now);
}

#define TELL(name, call)                                                                                     \
    errno = 77;                                                                                              \
    tell_kept(#name, (call));

static void *call_all(void *unused)
{
    CALLS(TELL)
    return unused;
}

static long is_early(clockid_t clock, const struct timespec *deadline)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return now.tv_sec < deadline->tv_sec ||
           (now.tv_sec == deadline->tv_sec && now.tv_nsec < deadline->tv_nsec);
}

#define TELL_TIME(clock, call)                                                                               \
    do {                                                                                                     \
        struct timespec when = in_ms(clock, 5);                                                              \
        tell(" " #call, (call) != 0);                                                                        \
        tell("  too early", is_early(clock, &when));                                                         \
    } while (0)

static void *sleep_on(void *unused)
{
    pause();
    return unused;
}

static void *wait_for_times(void *unused)
{
    pthread_mutex_lock(&mutex);
    TELL_TIME(CLOCK_REALTIME, pthread_cond_timedwait(&condition, &mutex, &when));
    TELL_TIME(CLOCK_MONOTONIC, pthread_cond_clockwait(&condition, &mutex, CLOCK_MONOTONIC, &when));
    TELL_TIME(CLOCK_REALTIME, pthread_mutex_timedlock(&taken, &when));
    TELL_TIME(CLOCK_MONOTONIC, pthread_mutex_clocklock(&taken, CLOCK_MONOTONIC, &when));
    TELL_TIME(CLOCK_REALTIME, mtx_timedlock((mtx_t *)&taken, &when));
    TELL_TIME(CLOCK_REALTIME, sem_timedwait(&semaphore, &when));
    TELL_TIME(CLOCK_MONOTONIC, sem_clockwait(&semaphore, CLOCK_MONOTONIC, &when));
    TELL_TIME(CLOCK_REALTIME, pthread_rwlock_timedrdlock(&rwlock, &when));
    TELL_TIME(CLOCK_MONOTONIC, pthread_rwlock_clockrdlock(&rwlock, CLOCK_MONOTONIC, &when));
    TELL_TIME(CLOCK_REALTIME, pthread_rwlock_timedwrlock(&rwlock, &when));
    TELL_TIME(CLOCK_MONOTONIC, pthread_rwlock_clockwrlock(&rwlock, CLOCK_MONOTONIC, &when));
    TELL_TIME(CLOCK_REALTIME, pthread_timedjoin_np(thread, NULL, &when));
    TELL_TIME(CLOCK_MONOTONIC, pthread_clockjoin_np(thread, NULL, CLOCK_MONOTONIC, &when));
    TELL_TIME(CLOCK_MONOTONIC, clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &when, NULL));
    pthread_mutex_unlock(&mutex);
    return unused;
}

void tell_kept_and_times(const char *self)
{
    (void)self;
    pthread_barrier_init(&barrier, NULL, 1);
    mtx_init(&c11_mutex, mtx_timed);
    sem_init(&semaphore, 0, 1);
    puts("errno after");
    in_thread(call_all, NULL);
    const pthread_cond_t fresh = PTHREAD_COND_INITIALIZER;
    const pthread_rwlock_t unused = PTHREAD_RWLOCK_INITIALIZER;
    condition = fresh;
    rwlock = unused;
    sem_init(&semaphore, 0, 0);
    pthread_mutex_lock(&taken);
    pthread_rwlock_wrlock(&rwlock);
    pthread_create(&thread, NULL, sleep_on, NULL);
    puts("until their time");
    in_thread(wait_for_times, NULL);
    pthread_cancel(thread);
    pthread_join(thread, NULL);
}
