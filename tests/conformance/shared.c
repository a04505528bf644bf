/* SPDX-License-Identifier: MIT */
/* Objects that processes share, and the end of objects. */
#include <semaphore.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/conformance/behaviour.h"

struct shared {
    pthread_mutex_t robust, inherit;
    pthread_cond_t condition;
    pthread_rwlock_t rwlock;
    pthread_barrier_t barrier;
    sem_t semaphore;
    int turn;
};

static void init_mutex(pthread_mutex_t *mutex, int robust, int protocol)
{
    pthread_mutexattr_t attributes;
    pthread_mutexattr_init(&attributes);
    pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
    pthread_mutexattr_setrobust(&attributes, robust);
    pthread_mutexattr_setprotocol(&attributes, protocol);
    pthread_mutex_init(mutex, &attributes);
    pthread_mutexattr_destroy(&attributes);
}

static struct shared *make_shared(void)
{
    struct shared *shared =
        mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    pthread_condattr_t condition;
    pthread_rwlockattr_t rwlock;
    pthread_barrierattr_t barrier;
    pthread_condattr_init(&condition);
    pthread_condattr_setpshared(&condition, PTHREAD_PROCESS_SHARED);
    pthread_rwlockattr_init(&rwlock);
    pthread_rwlockattr_setpshared(&rwlock, PTHREAD_PROCESS_SHARED);
    pthread_barrierattr_init(&barrier);
    pthread_barrierattr_setpshared(&barrier, PTHREAD_PROCESS_SHARED);
    init_mutex(&shared->robust, PTHREAD_MUTEX_ROBUST, PTHREAD_PRIO_NONE);
    init_mutex(&shared->inherit, PTHREAD_MUTEX_ROBUST, PTHREAD_PRIO_INHERIT);
    pthread_cond_init(&shared->condition, &condition);
    pthread_rwlock_init(&shared->rwlock, &rwlock);
    pthread_barrier_init(&shared->barrier, &barrier, 2);
    sem_init(&shared->semaphore, 1, 0);
    return shared;
}

static void tell_owner_gone(const char *name, pthread_mutex_t *mutex)
{
    pid_t pid = fork();
    if (pid == 0)
        _exit(pthread_mutex_lock(mutex));
    tell(name, status_of(pid));
    tell(" lock", pthread_mutex_lock(mutex));
    tell(" consistent", pthread_mutex_consistent(mutex));
    tell(" unlock", pthread_mutex_unlock(mutex));
    tell(" lock again", pthread_mutex_lock(mutex));
    tell(" unlock again", pthread_mutex_unlock(mutex));
}

static int play(struct shared *shared, int side)
{
    for (int i = 0; i < 200; i++) {
        pthread_mutex_lock(&shared->robust);
        while (shared->turn != side)
            pthread_cond_wait(&shared->condition, &shared->robust);
        shared->turn = 1 - side;
        pthread_cond_signal(&shared->condition);
        pthread_mutex_unlock(&shared->robust);
    }
    int serial = pthread_barrier_wait(&shared->barrier);
    return serial == PTHREAD_BARRIER_SERIAL_THREAD ? 1 : serial;
}

void tell_shared(const char *self)
{
    (void)self;
    struct shared *shared = make_shared();
    tell_owner_gone("shared mutex, owner's process gone", &shared->robust);
    tell_owner_gone("shared mutex with inheritance, owner's process gone", &shared->inherit);
    pid_t pid = fork();
    if (pid == 0)
        _exit(play(shared, 1));
    long one = play(shared, 0);
    tell("a game between processes: serial threads", one + status_of(pid));
    pid = fork();
    if (pid == 0)
        _exit(pthread_rwlock_wrlock(&shared->rwlock) + pthread_rwlock_unlock(&shared->rwlock) +
              sem_post(&shared->semaphore));
    tell("shared rwlock", status_of(pid));
    tell(" tryrdlock", pthread_rwlock_tryrdlock(&shared->rwlock));
    TELL_ERRNO("shared semaphore", sem_wait(&shared->semaphore));
    munmap(shared, sizeof *shared);
}

struct counted {
    pthread_mutex_t mutex;
    int users;
};

/* Whoever is the last one destroys and frees it, right after unlock: nobody may touch it later. */
static void *use_and_drop(void *argument)
{
    struct counted *counted = argument;
    pthread_mutex_lock(&counted->mutex);
    int left = --counted->users;
    pthread_mutex_unlock(&counted->mutex);
    if (left == 0) {
        pthread_mutex_destroy(&counted->mutex);
        memset(counted, 0xff, sizeof *counted);
        free(counted);
    }
    return NULL;
}

void tell_destruction(const char *self)
{
    (void)self;
    pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
    pthread_cond_t condition = PTHREAD_COND_INITIALIZER;
    pthread_rwlock_t rwlock = PTHREAD_RWLOCK_INITIALIZER;
    pthread_barrier_t barrier;
    sem_t semaphore;
    pthread_mutex_lock(&mutex);
    tell("destroy of a locked mutex", pthread_mutex_destroy(&mutex));
    pthread_mutex_unlock(&mutex);
    tell(" of a free one", pthread_mutex_destroy(&mutex));
    tell(" lock of a destroyed one", pthread_mutex_lock(&mutex));
    tell(" init anew", pthread_mutex_init(&mutex, NULL));
    tell(" lock", pthread_mutex_lock(&mutex));
    pthread_mutex_unlock(&mutex);
    tell("destroy of a condition", pthread_cond_destroy(&condition));
    tell("destroy of a rwlock", pthread_rwlock_destroy(&rwlock));
    pthread_barrier_init(&barrier, NULL, 1);
    tell("barrier of one", pthread_barrier_wait(&barrier));
    tell(" destroy", pthread_barrier_destroy(&barrier));
    sem_init(&semaphore, 0, 1);
    TELL_ERRNO("destroy of a semaphore", sem_destroy(&semaphore));
    TELL_ERRNO("sem_init of too much", sem_init(&semaphore, 0, 0x80000000));
    long rounds = 0;
    for (; rounds < 500; rounds++) {
        struct counted *counted = malloc(sizeof *counted);
        pthread_t threads[2];
        pthread_mutex_init(&counted->mutex, NULL);
        counted->users = 2;
        for (int i = 0; i < 2; i++)
            pthread_create(&threads[i], NULL, use_and_drop, counted);
        for (int i = 0; i < 2; i++)
            pthread_join(threads[i], NULL);
    }
    tell("destroyed right after unlock", rounds);
}
