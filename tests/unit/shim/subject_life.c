/* SPDX-License-Identifier: MIT */
/* The life of threads and processes. */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <threads.h>
#include <unistd.h>

#include "tests/unit/shim/subject_cases.h"

static sem_t ended, never;

static void *give_back(void *argument)
{
    return argument;
}

static void *leave(void *argument)
{
    pthread_exit(argument);
}

static void *say_ended(void *unused)
{
    sem_post(&ended);
    return unused;
}

static int give_back_c11(void *argument)
{
    return *(int *)argument;
}

int case_threads(void)
{
    pthread_attr_t small, detached;
    pthread_t thread;
    thrd_t c11;
    void *result;
    int seven = 7, is;
    char mark;
    CHECK(pthread_attr_init(&small) == 0 &&
          pthread_attr_setstacksize(&small, (size_t)PTHREAD_STACK_MIN) == 0);
    CHECK(pthread_attr_init(&detached) == 0);
    CHECK(pthread_attr_setdetachstate(&detached, PTHREAD_CREATE_DETACHED) == 0);
    CHECK(sem_init(&ended, 0, 0) == 0);
    for (int i = 0; i < 200; i++) {
        CHECK(pthread_create(&thread, &small, give_back, &mark) == 0);
        CHECK(pthread_join(thread, &result) == 0 && result == &mark);
        CHECK(pthread_create(&thread, NULL, leave, &mark) == 0);
        CHECK(pthread_join(thread, &result) == 0 && result == &mark);
        CHECK(pthread_create(&thread, &detached, say_ended, NULL) == 0 && sem_wait(&ended) == 0);
        CHECK(pthread_create(&thread, NULL, give_back, NULL) == 0 && pthread_detach(thread) == 0);
        CHECK(thrd_create(&c11, give_back_c11, &seven) == thrd_success);
        CHECK(thrd_join(c11, &is) == thrd_success && is == 7);
    }
    CHECK(pthread_create(&thread, NULL, give_back, &mark) == 0);
    while ((is = pthread_tryjoin_np(thread, &result)) == EBUSY)
        sched_yield();
    CHECK(is == 0 && result == &mark);
    struct stat tasks; /* the detached ones, too, are to have run: a folder has a link for each folder in it,
                          and two more */
    while (stat("/proc/self/task", &tasks) == 0 && tasks.st_nlink > 3)
        sched_yield();
    return 0;
}

static void *fork_here(void *unused)
{
    pid_t pid = fork();
    if (pid == 0) {
        sem_wait(&never);
        _exit(1);
    }
    int status;
    waitpid(pid, &status, 0);
    return unused;
}

int case_fork(void)
{
    pthread_t thread;
    CHECK(sem_init(&never, 0, 0) == 0);
    CHECK(pthread_create(&thread, NULL, fork_here, NULL) == 0);
    CHECK(pthread_join(thread, NULL) == 0);
    return 0;
}

int case_wait_all(void)
{
    char *arguments[] = {(char *)"nobody", NULL};
    CHECK(wait(NULL) == -1 && errno == ECHILD);
    CHECK(execv("/nonexistent/nobody", arguments) == -1 && errno == ENOENT);
    CHECK(waitpid(-1, NULL, WNOHANG) == -1 && errno == ECHILD);
    return 0;
}

int case_test(void)
{
    static char put[] = "PYTEST_CURRENT_TEST=a.py::two (setup)";
    pthread_t thread;
    CHECK(setenv("PYTEST_CURRENT_TEST", "a.py::one[x (y)] (setup)", 1) == 0);
    CHECK(setenv("PYTEST_CURRENT_TEST", "a.py::one[x (y)] (call)", 1) == 0);
    CHECK(pthread_create(&thread, NULL, give_back, NULL) == 0);
    CHECK(setenv("PYTEST_CURRENT_TEST", "a.py::one[x (y)] (teardown)", 1) == 0);
    CHECK(unsetenv("PYTEST_CURRENT_TEST") == 0);
    CHECK(putenv(put) == 0);
    CHECK(strcmp(getenv("PYTEST_CURRENT_TEST"), "a.py::two (setup)") == 0);
    raise(9);
    return 1;
}

static int begin_test(const char *value)
{
    errno = 7;
    return setenv("PYTEST_CURRENT_TEST", value, 1) == 0 && errno == 7;
}

static void *wait_for_ever(void *unused)
{
    while (sem_wait(&never) == -1 && errno == EINTR)
        ;
    return unused;
}

int case_left(void)
{
    pthread_t thread, kept;
    int own[2], left[2];
    CHECK(sem_init(&never, 0, 0) == 0);
    CHECK(begin_test("a.py::clean (setup)"));
    CHECK(pthread_create(&thread, NULL, give_back, NULL) == 0 && pthread_join(thread, NULL) == 0);
    CHECK(pipe(own) == 0 && close(own[0]) == 0 && close(own[1]) == 0);
    CHECK(begin_test("a.py::leaves (setup)"));
    CHECK(pthread_create(&kept, NULL, wait_for_ever, NULL) == 0);
    CHECK(pipe(left) == 0);
    CHECK(begin_test("a.py::clean again (setup)"));
    CHECK(close(left[0]) == 0);
    pid_t pid = fork();
    if (pid == 0)
        _exit(0);
    CHECK(waitpid(pid, NULL, 0) == pid);
    CHECK(begin_test("a.py::leaves many (setup)"));
    for (int i = 0; i < 10; i++)
        CHECK(dup(left[1]) >= 0);
    CHECK(unsetenv("PYTEST_CURRENT_TEST") == 0);
    return 0;
}

int case_undumpable(void)
{
    CHECK(sem_init(&never, 0, 0) == 0);
    CHECK(prctl(PR_SET_DUMPABLE, 0) == 0);
    while (sem_wait(&never) == -1 && errno == EINTR)
        ;
    return 1;
}

int case_subreaper(void)
{
    CHECK(prctl(PR_SET_CHILD_SUBREAPER, 1) == 0);
    CHECK(setenv("LD_PRELOAD", getenv("SUBJECT_PRELOAD"), 1) == 0);
    execl("/proc/self/exe", "subject", "wait_all", (char *)NULL);
    return 1;
}
