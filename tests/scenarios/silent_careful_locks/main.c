/* SPDX-License-Identifier: MIT */
/* What looks like a misuse and is none. */
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define CHECK(condition)                                                                                     \
    do {                                                                                                     \
        if (!(condition))                                                                                    \
            exit(__LINE__ % 100 + 1);                                                                        \
    } while (0)

static pthread_mutex_t forked_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t *condition;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static sem_t signal_sent, signal_seen;
static int waiting, is_told;

static void before(void)
{
    pthread_mutex_lock(&forked_lock);
}

/* In the child its owner is a thread of the parent's, by number. */
static void after(void)
{
    pthread_mutex_unlock(&forked_lock);
}

static void *wait_for_word(void *unused)
{
    pthread_mutex_lock(&lock);
    waiting++;
    while (!is_told)
        pthread_cond_wait(condition, &lock);
    pthread_mutex_unlock(&lock);
    return unused;
}

/* POSIX allows to destroy a condition as soon as all are woken. */
static void destroy_after_broadcast(void)
{
    pthread_t threads[4];
    condition = malloc(sizeof *condition);
    pthread_cond_init(condition, NULL);
    waiting = is_told = 0;
    for (int i = 0; i < 4; i++)
        pthread_create(&threads[i], NULL, wait_for_word, NULL);
    for (int all = 0; !all; usleep(100)) {
        pthread_mutex_lock(&lock);
        all = waiting == 4;
        pthread_mutex_unlock(&lock);
    }
    pthread_mutex_lock(&lock);
    is_told = 1;
    pthread_cond_broadcast(condition);
    pthread_mutex_unlock(&lock);
    pthread_cond_destroy(condition);
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    free(condition);
}

static void *answer(void *unused)
{
    sem_wait(&signal_sent);
    sem_post(&signal_seen);
    return unused;
}

/* One thread takes what another posts, and destroys it when it has it. */
static void signal_by_semaphore(void)
{
    pthread_t thread;
    sem_init(&signal_sent, 0, 0);
    sem_init(&signal_seen, 0, 0);
    pthread_create(&thread, NULL, answer, NULL);
    sem_post(&signal_sent);
    sem_wait(&signal_seen);
    sem_destroy(&signal_seen);
    pthread_join(thread, NULL);
    sem_destroy(&signal_sent);
}

static void *unlock_of_another(void *mutex)
{
    return (void *)(long)pthread_mutex_unlock(mutex);
}

/* Kinds that answer a stranger with EPERM, by the letter of POSIX. */
static void ask_for_eperm(int type)
{
    pthread_mutexattr_t attributes;
    pthread_mutex_t mutex;
    pthread_t thread;
    void *result;
    pthread_mutexattr_init(&attributes);
    pthread_mutexattr_settype(&attributes, type);
    pthread_mutex_init(&mutex, &attributes);
    pthread_mutex_lock(&mutex);
    pthread_create(&thread, NULL, unlock_of_another, &mutex);
    pthread_join(thread, &result);
    CHECK((long)result == EPERM);
    pthread_mutex_unlock(&mutex);
    pthread_mutex_destroy(&mutex);
}

static void *detach_itself(void *unused)
{
    pthread_detach(pthread_self());
    return unused;
}

/* Handles are used again at once: the second owner of one is joined rightly. */
static void use_handles_again(void)
{
    pthread_t thread;
    for (int i = 0; i < 300; i++) {
        pthread_create(&thread, NULL, i % 3 == 0 ? detach_itself : answer, NULL);
        if (i % 3 == 0)
            continue;
        sem_post(&signal_sent);
        sem_wait(&signal_seen);
        if (i % 3 == 1)
            CHECK(pthread_join(thread, NULL) == 0);
        else
            CHECK(pthread_detach(thread) == 0);
    }
}

static void fork_with_handlers(void)
{
    int status;
    pid_t child = fork();
    if (child == 0) {
        destroy_after_broadcast();
        CHECK(pthread_mutex_destroy(&forked_lock) == 0);
        _exit(0);
    }
    waitpid(child, &status, 0);
    CHECK(status == 0);
}

/* A process-shared lock has an owner that is none of ours. */
static void share_a_lock(void)
{
    pthread_mutexattr_t attributes;
    int status;
    pthread_mutex_t *shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    pthread_mutexattr_init(&attributes);
    pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
    pthread_mutex_init(shared, &attributes);
    pthread_mutex_lock(shared);
    pid_t child = fork();
    if (child == 0) {
        struct timespec past = {.tv_sec = 1};
        _exit(pthread_mutex_timedlock(shared, &past) == ETIMEDOUT ? 0 : 1);
    }
    waitpid(child, &status, 0);
    CHECK(status == 0);
    pthread_mutex_unlock(shared);
    pthread_mutex_destroy(shared);
}

static void *done_at_exit(void *unused)
{
    return unused;
}

static void joined_at_exit(void)
{
    pthread_t thread;
    pthread_create(&thread, NULL, done_at_exit, NULL);
    pthread_join(thread, NULL);
}

static void *for_ever(void *unused)
{
    for (;;)
        pause();
    return unused;
}

int main(void)
{
    pthread_t thread;
    pthread_atfork(before, after, after);
    atexit(joined_at_exit);
    destroy_after_broadcast();
    signal_by_semaphore();
    ask_for_eperm(PTHREAD_MUTEX_ERRORCHECK);
    ask_for_eperm(PTHREAD_MUTEX_RECURSIVE);
    sem_init(&signal_sent, 0, 0);
    sem_init(&signal_seen, 0, 0);
    use_handles_again();
    fork_with_handlers();
    share_a_lock();
    pthread_create(&thread, NULL, for_ever, NULL); /* alive at exit, as daemon threads are */
    return 0;
}
