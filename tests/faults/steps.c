/* SPDX-License-Identifier: MIT */
/*
 * A program that says the same in every run: STEPS steps, each of them a test to racewatch, with threads,
 * locks and processes. "N" on its stdout means that step N's beginning was recorded, if anything was.
 *
 *     steps STEPS [spoil SEED]    with `spoil`, it fills pages of its own recording with random bytes all
 * along
 */
#include <errno.h>
#include <pthread.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t condition = PTHREAD_COND_INITIALIZER;
static int turn, rounds;

static void say(const char *what, int number)
{
    char line[64];
    int length = snprintf(line, sizeof line, "%s%d\n", what, number);
    if (write(1, line, (size_t)length) != length)
        _exit(9);
}

static void *play(void *side)
{
    pthread_mutex_lock(&mutex);
    for (int i = 0; i < 3; i++) {
        while (turn != (int)(intptr_t)side)
            pthread_cond_wait(&condition, &mutex);
        turn = 1 - turn;
        rounds++;
        pthread_cond_broadcast(&condition);
    }
    pthread_mutex_unlock(&mutex);
    return side;
}

/* All of the threads or none: a thread that plays alone would wait for ever. */
static void threads(void)
{
    pthread_t players[2];
    pthread_mutex_lock(&mutex);
    int error = pthread_create(&players[0], NULL, play, (void *)0);
    if (error == 0 && (error = pthread_create(&players[1], NULL, play, (void *)1)) != 0)
        exit(8);
    pthread_mutex_unlock(&mutex);
    if (error == 0) {
        pthread_join(players[0], NULL);
        pthread_join(players[1], NULL);
    }
    say("threads: ", error != 0 ? -error : rounds);
}

static int status_of(pid_t pid)
{
    int status;
    while (waitpid(pid, &status, 0) != pid)
        if (errno != EINTR)
            return -errno;
    return status;
}

static void processes(int step)
{
    pid_t pid = fork();
    if (pid == 0) {
        threads();
        _exit(step % 7);
    }
    say("fork: ", pid < 0 ? -errno : status_of(pid));
    char *arguments[] = {"/bin/true", NULL};
    int error = posix_spawn(&pid, arguments[0], NULL, NULL, arguments, environ);
    say("spawn: ", error != 0 ? -error : status_of(pid));
    say("wait: ", wait(NULL) < 0 ? -errno : 0);
}

static unsigned char *recording, *recording_end;

static void find_recording(void)
{
    char line[4600];
    FILE *maps = fopen("/proc/self/maps", "r");
    while (maps && fgets(line, sizeof line, maps)) {
        unsigned long from, to;
        if (strstr(line, ".rec") && strstr(line, "rw-s") && sscanf(line, "%lx-%lx", &from, &to) == 2) {
            recording = (unsigned char *)from;
            recording_end = (unsigned char *)to;
            break;
        }
    }
    if (maps)
        fclose(maps);
}

static void spoil(void)
{
    unsigned char *page = recording + (size_t)random() % 96 * 4096;
    for (int i = 0; i < 64 && page + 4096 <= recording_end; i++)
        page[random() % 4096] = (unsigned char)random();
}

int main(int argc, char **argv)
{
    char test[64];
    int steps = argc > 1 ? atoi(argv[1]) : 100;
    if (argc == 4) {
        srandom((unsigned)atoi(argv[3]));
        find_recording();
    }
    for (int i = 1; i <= steps; i++) {
        snprintf(test, sizeof test, "drill.py::test_%d (call)", i);
        setenv("PYTEST_CURRENT_TEST", test, 1);
        say("", i);
        threads();
        if (i % 10 == 0)
            processes(i);
        if (recording)
            spoil();
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL); /* room for a fault to come in */
    }
    unsetenv("PYTEST_CURRENT_TEST");
    return 3;
}
