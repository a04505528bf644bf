/* SPDX-License-Identifier: MIT */
/* What a program may do to itself and to what the shim has in it. */
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/shim/subject_cases.h"

int remove_folders(const char *path)
{
    for (;;) {
        rmdir(path);
        usleep(200);
    }
}

static struct {
    unsigned char *begin, *end;
} pieces[16];
static int piece_count;
static bool is_enough;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static sem_t semaphore;

static void find_recording(void)
{
    char line[4600];
    FILE *maps = fopen("/proc/self/maps", "r");
    while (maps && piece_count < 16 && fgets(line, sizeof line, maps)) {
        unsigned long from, to;
        if (strstr(line, ".rec") && strstr(line, "rw-s") && sscanf(line, "%lx-%lx", &from, &to) == 2) {
            pieces[piece_count].begin = (unsigned char *)from;
            pieces[piece_count++].end = (unsigned char *)to;
        }
    }
    if (maps)
        fclose(maps);
}

static void *scribble(void *unused)
{
    unsigned seed = 1;
    while (!__atomic_load_n(&is_enough, __ATOMIC_RELAXED)) {
        for (int i = 0; i < piece_count; i++) {
            for (unsigned char *at = pieces[i].begin; at < pieces[i].end;
                 at += 1 + (unsigned)rand_r(&seed) % 256)
                *at = (unsigned char)rand_r(&seed);
        }
    }
    return unused;
}

static void *contend(void *unused)
{
    for (int i = 0; i < 300; i++) {
        pthread_mutex_lock(&mutex);
        if (i % 50 == 0)
            usleep(100);
        pthread_mutex_unlock(&mutex);
        sem_wait(&semaphore);
        sem_post(&semaphore);
    }
    return unused;
}

int case_scribble(void)
{
    pthread_t scribbler, threads[40];
    sem_init(&semaphore, 0, 1);
    for (int round = 0; round < 5; round++) {
        piece_count = 0;
        find_recording();
        CHECK(piece_count > 0);
        is_enough = false;
        CHECK(pthread_create(&scribbler, NULL, scribble, NULL) == 0);
        for (int i = 0; i < 40; i++)
            CHECK(pthread_create(&threads[i], NULL, contend, NULL) == 0);
        CHECK(setenv("PYTEST_CURRENT_TEST", "a.py::one (call)", 1) == 0);
        pid_t pid = fork();
        if (pid == 0)
            _exit(setenv("PYTEST_CURRENT_TEST", "a.py::two (call)", 1) !=
                  0); /* the locks may be orphans here */
        for (int i = 0; i < 40; i++)
            CHECK(pthread_join(threads[i], NULL) == 0);
        int status;
        CHECK(waitpid(pid, &status, 0) == pid && status == 0);
        __atomic_store_n(&is_enough, true, __ATOMIC_RELAXED);
        CHECK(pthread_join(scribbler, NULL) == 0);
    }
    return 0;
}

/* Runs in a fork child, for nothing that it does is recorded. */
static int under_filter(void)
{
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getpid, 6, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_fcntl, 5, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_readlink, 4, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_open, 3, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_tgkill, 2, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_fallocate, 1, 0),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
    };
    struct sock_fprog program = {.len = sizeof filter / sizeof filter[0], .filter = filter};
    pthread_t threads[40];
    CHECK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
    CHECK(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, NULL) == -1 && errno == EFAULT);
    CHECK(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0);
    sem_init(&semaphore, 0, 1);
    CHECK(setenv("PYTEST_CURRENT_TEST", "a.py::confined (call)", 1) == 0);
    pthread_mutex_lock(&mutex);
    for (int i = 0; i < 40; i++)
        CHECK(pthread_create(&threads[i], NULL, contend, NULL) == 0);
    CHECK(setenv("PYTEST_CURRENT_TEST", "a.py::after (call)", 1) == 0);
    pthread_mutex_unlock(&mutex);
    for (int i = 0; i < 40; i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
    pid_t pid = fork();
    if (pid == 0)
        exit(contend(&semaphore) != &semaphore);
    int status;
    CHECK(waitpid(pid, &status, 0) == pid && status == 0);
    return 0;
}

int case_confined(void)
{
    pid_t pid = fork();
    if (pid == 0)
        exit(under_filter());
    int status;
    CHECK(waitpid(pid, &status, 0) == pid && status == 0);
    return 0;
}
