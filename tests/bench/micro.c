/* SPDX-License-Identifier: MIT */
/*
 * What racewatch could make slower, one operation at a time:
 *     micro mutex             ns of an uncontended lock and unlock: the least of 20 rounds
 *     micro nested N          the same of each of N mutexes, one in the other, in a process that had a second
 *                             thread: the least of 15 rounds
 *     micro thread            ns of a thread's creation and join
 *     micro tests             ns of a test's begin, phases and end as pytest tells them, with 12 descriptors
 *     micro spawn N PROGRAM.. ns of a start and end of PROGRAM
 *     micro threads N         N threads that hang: two deadlock, the others wait for one of the two, or idle
 *     micro framed N          the same, but the others sleep where the stack alone does not tell their frames
 *     micro processes N       N processes that wait for each other in a ring
 * The last three print "hangs" and the moment in ns, and never end. One thread or process waits for itself.
 */
#include <pthread.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

static pthread_mutex_t first = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t second = PTHREAD_MUTEX_INITIALIZER;
static pthread_barrier_t both_have_one;

static uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void show(uint64_t begin_ns, unsigned count)
{
    printf("%.1f\n", (double)(now_ns() - begin_ns) / count);
}

static void *nothing(void *unused)
{
    return unused;
}

static int mutex(void)
{
    enum { COUNT = 1000000, ROUNDS = 20 };
    double least = 1e9;
    for (unsigned round = 0; round < ROUNDS; round++) {
        uint64_t begin = now_ns();
        for (unsigned i = 0; i < COUNT; i++) {
            pthread_mutex_lock(&first);
            pthread_mutex_unlock(&first);
        }
        double each = (double)(now_ns() - begin) / COUNT;
        least = each < least ? each : least;
    }
    printf("%.2f\n", least);
    return 0;
}

static int nested(unsigned depth)
{
    enum { COUNT = 1000000, ROUNDS = 15, MAX = 8 };
    static pthread_mutex_t mutexes[MAX];
    double least = 1e9;
    pthread_t id;
    if (depth < 1 || depth > MAX || pthread_create(&id, NULL, nothing, NULL))
        return 1;
    pthread_join(id, NULL);
    for (unsigned round = 0; round < ROUNDS; round++) {
        uint64_t begin = now_ns();
        for (unsigned i = 0; i < COUNT; i++) {
            for (unsigned j = 0; j < depth; j++)
                pthread_mutex_lock(&mutexes[j]);
            for (unsigned j = depth; j-- > 0;)
                pthread_mutex_unlock(&mutexes[j]);
        }
        double each = (double)(now_ns() - begin) / COUNT / depth;
        least = each < least ? each : least;
    }
    printf("%.1f\n", least);
    return 0;
}

static int thread(void)
{
    enum { COUNT = 10000 };
    pthread_t id;
    uint64_t begin = now_ns();
    for (unsigned i = 0; i < COUNT; i++) {
        if (pthread_create(&id, NULL, nothing, NULL))
            return 1;
        pthread_join(id, NULL);
    }
    show(begin, COUNT);
    return 0;
}

/* As many descriptors as pytest has. */
static int tests(void)
{
    enum { COUNT = 20000, OPEN = 12 };
    while (dup(0) < OPEN - 1)
        ;
    uint64_t begin = now_ns();
    for (unsigned i = 0; i < COUNT; i++) {
        setenv("PYTEST_CURRENT_TEST", "test_file.py::test_name (setup)", 1);
        setenv("PYTEST_CURRENT_TEST", "test_file.py::test_name (call)", 1);
        setenv("PYTEST_CURRENT_TEST", "test_file.py::test_name (teardown)", 1);
        unsetenv("PYTEST_CURRENT_TEST");
    }
    show(begin, COUNT);
    return 0;
}

static int spawn(unsigned count, char **argv)
{
    uint64_t begin = now_ns();
    for (unsigned i = 0; i < count; i++) {
        pid_t child;
        int status;
        if (posix_spawn(&child, argv[0], NULL, NULL, argv, environ))
            return 1;
        waitpid(child, &status, 0);
    }
    show(begin, count);
    return 0;
}

static void *forth(void *unused)
{
    pthread_mutex_lock(&first);
    pthread_barrier_wait(&both_have_one);
    pthread_mutex_lock(&second);
    return unused;
}

static void *back(void *unused)
{
    pthread_mutex_lock(&second);
    pthread_barrier_wait(&both_have_one);
    pthread_mutex_lock(&first);
    return unused;
}

static void *behind(void *unused)
{
    pthread_mutex_lock(&first);
    return unused;
}

/* The first half waits for a lock of the two, the other half for what nobody will tell. */
static void *idle(void *unused)
{
    static pthread_cond_t never = PTHREAD_COND_INITIALIZER;
    static pthread_mutex_t its = PTHREAD_MUTEX_INITIALIZER;
    pthread_mutex_lock(&its);
    for (;;)
        pthread_cond_wait(&never, &its);
    return unused;
}

/* How large its frame is only a register knows, which nothing on the stack has a copy of. */
static void *framed(void *size)
{
    char room[(uintptr_t)size];
    *(volatile char *)room = 0;
    for (;;)
        pause();
    return NULL;
}

static void tell_hang(void)
{
    printf("hangs %llu\n", (unsigned long long)now_ns());
    fflush(stdout);
}

static int threads(int count, bool is_framed)
{
    if (count < 3) {
        pthread_mutex_lock(&first);
        tell_hang();
        pthread_mutex_lock(&first);
        return 0;
    }
    pthread_t id;
    pthread_attr_t small;
    pthread_attr_init(&small);
    pthread_attr_setstacksize(&small, 65536);
    pthread_barrier_init(&both_have_one, NULL, 3);
    pthread_create(&id, NULL, forth, NULL);
    usleep(100000);
    for (int i = 0; i < count - 3; i++) {
        void *(*waits)(void *) = is_framed ? framed : i % 2 ? idle : behind;
        if (pthread_create(&id, &small, waits, is_framed ? (void *)64 : NULL)) {
            perror("pthread_create");
            return 1;
        }
    }
    pthread_create(&id, NULL, back, NULL);
    pthread_barrier_wait(&both_have_one);
    tell_hang();
    pthread_join(id, NULL);
    return 0;
}

/* Each has a lock, and when all have one, wants the next one's. */
static int processes(int count)
{
    struct {
        pthread_barrier_t all_have_one;
        pthread_mutex_t locks[];
    } *shared = mmap(NULL, sizeof *shared + (size_t)count * sizeof(pthread_mutex_t), PROT_READ | PROT_WRITE,
                     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    pthread_mutexattr_t between_processes;
    pthread_barrierattr_t of_processes;
    pthread_mutexattr_init(&between_processes);
    pthread_mutexattr_setpshared(&between_processes, PTHREAD_PROCESS_SHARED);
    pthread_barrierattr_init(&of_processes);
    pthread_barrierattr_setpshared(&of_processes, PTHREAD_PROCESS_SHARED);
    pthread_barrier_init(&shared->all_have_one, &of_processes, (unsigned)count);
    for (int i = 0; i < count; i++)
        pthread_mutex_init(&shared->locks[i], &between_processes);
    int mine = 0;
    for (int i = 1; i < count && mine == 0; i++) {
        pid_t child = fork();
        if (child < 0) {
            perror("fork");
            return 1;
        }
        if (child == 0)
            mine = i;
    }
    pthread_mutex_lock(&shared->locks[mine]);
    pthread_barrier_wait(&shared->all_have_one);
    if (mine == 0)
        tell_hang();
    pthread_mutex_lock(&shared->locks[(mine + 1) % count]);
    return 0;
}

int main(int argc, char **argv)
{
    const char *what = argc > 1 ? argv[1] : "";
    if (!strcmp(what, "mutex"))
        return mutex();
    if (!strcmp(what, "nested") && argc > 2)
        return nested((unsigned)atoi(argv[2]));
    if (!strcmp(what, "thread"))
        return thread();
    if (!strcmp(what, "tests"))
        return tests();
    if (!strcmp(what, "spawn") && argc > 3)
        return spawn((unsigned)atoi(argv[2]), argv + 3);
    if (!strcmp(what, "threads") && argc > 2)
        return threads(atoi(argv[2]), false);
    if (!strcmp(what, "framed") && argc > 2)
        return threads(atoi(argv[2]), true);
    if (!strcmp(what, "processes") && argc > 2)
        return processes(atoi(argv[2]));
    return 2;
}
