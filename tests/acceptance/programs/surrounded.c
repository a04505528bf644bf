/* SPDX-License-Identifier: MIT */
/*
 * Processes that wait for each other, for tests of what of them can be seen.
 *   ring COUNT        workers hand a byte round that never comes; all ends are everybody's, as fork leaves
 * them mutex COMMAND...  COMMAND, which is to end as `surrounded keep FD`, takes a shared mutex for ever; an
 * innocent thread waits for a condition, main wants the mutex read FD           reads, and has the other end
 * itself as well
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define WORKERS_MAX 16

static void say(const char *what, long number)
{
    printf("%s %ld\n", what, number);
    fflush(stdout);
}

static int ring(int count)
{
    int ends[WORKERS_MAX][2];
    pid_t workers[WORKERS_MAX];
    char byte;

    for (int i = 0; i < count; i++)
        if (pipe(ends[i]))
            return 1;
    for (int i = 0; i < count; i++) {
        workers[i] = fork();
        if (workers[i] == 0) {
            while (read(ends[i][0], &byte, 1) == 1 &&
                   write(ends[(i + 1) % count][1], &byte, 1) == 1) /* HERE worker */
                ;
            _exit(0);
        }
        say("worker", workers[i]);
    }
    say("ready", getpid());
    return waitpid(workers[count - 1], NULL, 0) < 0; /* HERE parent */
}

struct shared {
    pthread_mutex_t mutex;
    volatile int is_taken;
};

static struct shared *map(int fd)
{
    return mmap(NULL, sizeof(struct shared), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
}

static int keep(int fd)
{
    struct shared *shared = map(fd);

    pthread_mutex_lock(&shared->mutex);
    say("keeper-as", syscall(SYS_gettid));
    shared->is_taken = 1;
    return pause(); /* HERE keeper */
}

static volatile long innocent_tid;

static void *innocent(void *unused)
{
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    static pthread_cond_t never = PTHREAD_COND_INITIALIZER;

    pthread_setname_np(pthread_self(), "innocent");
    innocent_tid = syscall(SYS_gettid);
    pthread_mutex_lock(&lock);
    pthread_cond_wait(&never, &lock);
    return unused;
}

static int mutex(char **command)
{
    int fd = memfd_create("shared", 0);
    char number[24];
    pthread_mutexattr_t attributes;
    pthread_t thread;

    if (ftruncate(fd, sizeof(struct shared)))
        return 1;
    struct shared *shared = map(fd);
    pthread_mutexattr_init(&attributes);
    pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
    pthread_mutex_init(&shared->mutex, &attributes);
    pthread_create(&thread, NULL, innocent, NULL);
    while (!innocent_tid)
        usleep(1000);
    snprintf(number, sizeof(number), "%ld", innocent_tid - 1);
    setenv("LAST_PID", number, 1);
    snprintf(number, sizeof(number), "%d", fd);
    setenv("SHARED_FD", number, 1);
    if (fork() == 0) {
        execvp(command[0], command);
        _exit(127);
    }
    while (!shared->is_taken && waitpid(-1, NULL, WNOHANG) == 0)
        usleep(1000);
    say("innocent", innocent_tid);
    say("ready", getpid());
    return pthread_mutex_lock(&shared->mutex); /* HERE wanter */
}

int main(int count, char **arguments)
{
    char byte;

    if (count < 3)
        return 2;
    if (!strcmp(arguments[1], "ring"))
        return ring(atoi(arguments[2]));
    if (!strcmp(arguments[1], "mutex"))
        return mutex(arguments + 2);
    if (!strcmp(arguments[1], "keep"))
        return keep(atoi(arguments[2]));
    say("ready", getpid());
    return (int)read(atoi(arguments[2]), &byte, 1); /* HERE reader */
}
