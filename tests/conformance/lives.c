/* SPDX-License-Identifier: MIT */
/* Threads, and how they end. */
#include <limits.h>
#include <semaphore.h>
#include <stdint.h>
#include <stdlib.h>
#include <threads.h>
#include <unistd.h>

#include "tests/conformance/behaviour.h"

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t condition = PTHREAD_COND_INITIALIZER;
static sem_t never;
static pthread_t sleeper;
static sem_t ready;

static void note(void *at)
{
    ++*(int *)at;
}

enum wait {
    COND,
    TIMED_COND,
    CLOCK_COND,
    SEM,
    TIMED_SEM,
    CLOCK_SEM,
    JOIN,
    TIMED_JOIN,
    CLOCK_JOIN,
    TESTCANCEL,
    WAITS
};

static void wait_for(enum wait wait)
{
    struct timespec real = in_ms(CLOCK_REALTIME, 10000), monotonic = in_ms(CLOCK_MONOTONIC, 10000);
    switch (wait) {
    case COND:
        pthread_cond_wait(&condition, &mutex);
        break;
    case TIMED_COND:
        pthread_cond_timedwait(&condition, &mutex, &real);
        break;
    case CLOCK_COND:
        pthread_cond_clockwait(&condition, &mutex, CLOCK_MONOTONIC, &monotonic);
        break;
    case SEM:
        sem_wait(&never);
        break;
    case TIMED_SEM:
        sem_timedwait(&never, &real);
        break;
    case CLOCK_SEM:
        sem_clockwait(&never, CLOCK_MONOTONIC, &monotonic);
        break;
    case JOIN:
        pthread_join(sleeper, NULL);
        break;
    case TIMED_JOIN:
        pthread_timedjoin_np(sleeper, NULL, &real);
        break;
    case CLOCK_JOIN:
        pthread_clockjoin_np(sleeper, NULL, CLOCK_MONOTONIC, &monotonic);
        break;
    default:
        for (;;)
            pthread_testcancel();
    }
}

static int cleaned;

static void *be_cancelled(void *which)
{
    pthread_mutex_lock(&mutex);
    pthread_cleanup_push(note, &cleaned);
    sem_post(&ready);
    if ((intptr_t)which >= SEM)
        pthread_mutex_unlock(&mutex);
    wait_for((enum wait)(intptr_t)which);
    pthread_cleanup_pop(0);
    return NULL;
}

static void *sleep_on(void *unused)
{
    while (sem_wait(&never) == -1 && errno == EINTR)
        ;
    return unused;
}

static void *cancelled_before(void *unused)
{
    static sem_t one;
    sem_init(&one, 0, 1);
    pthread_cancel(pthread_self());
    sem_wait(&one); /* a cancellation point though it would not block */
    return unused;
}

static void *cancelled_before_mutex(void *unused)
{
    static pthread_mutex_t free_one = PTHREAD_MUTEX_INITIALIZER;
    pthread_cancel(pthread_self());
    pthread_mutex_lock(&free_one); /* is none */
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, NULL);
    return unused;
}

void tell_cancellation(const char *self)
{
    (void)self;
    static const char *const names[WAITS] = {
        "cond_wait",     "cond_timedwait", "cond_clockwait", "sem_wait",     "sem_timedwait",
        "sem_clockwait", "join",           "timedjoin_np",   "clockjoin_np", "testcancel"};
    sem_init(&never, 0, 0);
    sem_init(&ready, 0, 0);
    pthread_create(&sleeper, NULL, sleep_on, NULL);
    for (intptr_t i = 0; i < WAITS; i++) {
        pthread_t thread;
        void *value = NULL;
        printf("cancelled in %s\n", names[i]);
        cleaned = 0;
        pthread_create(&thread, NULL, be_cancelled, (void *)i);
        sem_wait(&ready);
        pthread_mutex_lock(&mutex); /* free again only when a wait for the condition has begun */
        pthread_mutex_unlock(&mutex);
        tell(" cancel", pthread_cancel(thread));
        tell(" join", pthread_join(thread, &value));
        tell(" was cancelled", value == PTHREAD_CANCELED);
        tell(" cleaned up", cleaned);
        int taken = pthread_mutex_trylock(&mutex);
        tell(" mutex is", taken);
        if (taken == 0 || i < SEM)
            pthread_mutex_unlock(&mutex);
        if (taken != 0) { /* the cancelled one has left it locked, as POSIX says */
            pthread_mutex_t fresh = PTHREAD_MUTEX_INITIALIZER;
            mutex = fresh;
        }
    }
    tell("sem_wait acts on a cancel that came before", in_thread(cancelled_before, NULL) == PTHREAD_CANCELED);
    tell("mutex_lock does not", in_thread(cancelled_before_mutex, NULL) == NULL);
    tell("join of who was waited for", pthread_tryjoin_np(sleeper, NULL));
    sem_post(&never);
    tell("join", pthread_join(sleeper, NULL));
}

static pthread_key_t key;
static int destroyed;

static void destroy(void *round)
{
    pthread_mutex_lock(&mutex);
    destroyed++;
    pthread_mutex_unlock(&mutex);
    if ((intptr_t)round < 3)
        pthread_setspecific(key, (void *)((intptr_t)round + 1));
}

static void *with_data(void *by_exit)
{
    pthread_setspecific(key, (void *)1);
    if (by_exit)
        pthread_exit((void *)42);
    return (void *)41;
}

static void *shallow(void *unused)
{
    return unused;
}

static int c11(void *argument)
{
    if (argument)
        thrd_exit(9);
    return 8;
}

static pthread_once_t once = PTHREAD_ONCE_INIT;
static int initialised;

static void initialise(void)
{
    pthread_mutex_lock(&mutex);
    initialised++;
    pthread_mutex_unlock(&mutex);
}

static void *do_once(void *unused)
{
    pthread_once(&once, initialise);
    return unused;
}

static void *wait_for_never(void *unused)
{
    sem_wait(&never);
    return unused;
}

/* More than the recording has room for at first, all alive at once. */
static void tell_thousands(void)
{
    enum { THOUSANDS = 3000 };
    static pthread_t threads[THOUSANDS];
    pthread_attr_t attributes;
    long created = 0, joined = 0;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, PTHREAD_STACK_MIN);
    for (int i = 0; i < THOUSANDS; i++)
        created += pthread_create(&threads[i], &attributes, wait_for_never, NULL) == 0;
    for (int i = 0; i < THOUSANDS; i++)
        sem_post(&never);
    for (int i = 0; i < THOUSANDS; i++)
        joined += pthread_join(threads[i], NULL) == 0;
    pthread_attr_destroy(&attributes);
    tell("three thousand at once: created", created);
    tell(" joined", joined);
}

/* Whoever waits for the same semaphore later must not get what was meant for it. */
static void *wait_and_say_so(void *unused)
{
    sem_wait(&never);
    sem_post(&ready);
    return unused;
}

static void *leave_early(void *unused)
{
    pthread_detach(pthread_self());
    sem_post(&ready);
    return unused;
}

static void tell_detached(void)
{
    pthread_t thread;
    pthread_attr_t attributes;
    sem_init(&ready, 0, 0);
    pthread_attr_init(&attributes);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    tell("detached from the beginning", pthread_create(&thread, &attributes, wait_and_say_so, NULL));
    tell(" join", pthread_join(thread, NULL));
    tell(" detach", pthread_detach(thread));
    tell(" tryjoin", pthread_tryjoin_np(thread, NULL));
    sem_post(&never);
    sem_wait(&ready);
    for (int i = 0; i < 100; i++) {
        pthread_create(&thread, NULL, leave_early, NULL);
        sem_wait(&ready);
    }
    tell("a hundred that detach themselves", 100);
    void *value;
    pthread_create(&thread, NULL, wait_for_never, NULL);
    tell("cancel", pthread_cancel(thread));
    tell(" join", pthread_join(thread, &value));
    tell(" was cancelled", value == PTHREAD_CANCELED);
}

void tell_threads(const char *self)
{
    (void)self;
    pthread_attr_t attributes;
    pthread_t thread, many[200];
    char name[16];
    int result;
    pthread_key_create(&key, destroy);
    tell("value returned", (long)(intptr_t)in_thread(with_data, NULL));
    tell("value of pthread_exit", (long)(intptr_t)in_thread(with_data, (void *)1));
    tell("destructors that lock", destroyed);
    pthread_attr_init(&attributes);
    tell("least stack", pthread_attr_setstacksize(&attributes, PTHREAD_STACK_MIN));
    tell(" create", pthread_create(&thread, &attributes, shallow, NULL));
    tell(" join", pthread_join(thread, NULL));
    pthread_attr_setstacksize(&attributes, (size_t)1 << 46);
    tell("too much stack", pthread_create(&thread, &attributes, shallow, NULL));
    tell("join of oneself", pthread_join(pthread_self(), NULL));
    thrd_t other;
    thrd_create(&other, c11, NULL);
    tell("thrd_join", thrd_join(other, &result));
    tell(" value", result);
    thrd_create(&other, c11, (void *)1);
    thrd_join(other, &result);
    tell(" value of thrd_exit", result);
    for (int i = 0; i < 200; i++)
        pthread_create(&many[i], NULL, wait_for_never, NULL);
    tell("two hundred at once, tryjoin", pthread_tryjoin_np(many[199], NULL));
    struct timespec soon = in_ms(CLOCK_REALTIME, 2);
    tell(" timedjoin", pthread_timedjoin_np(many[199], NULL, &soon));
    soon = in_ms(CLOCK_MONOTONIC, 2);
    tell(" clockjoin", pthread_clockjoin_np(many[199], NULL, CLOCK_MONOTONIC, &soon));
    tell(" setname, too long", pthread_setname_np(many[7], "a name that is too long"));
    tell(" setname", pthread_setname_np(many[7], "seven"));
    tell(" getname", pthread_getname_np(many[7], name, sizeof name));
    printf(" %s\n", name);
    for (int i = 0; i < 200; i++)
        sem_post(&never);
    long sum = 0;
    for (int i = 0; i < 199; i++)
        sum += pthread_join(many[i], NULL);
    tell(" joined", sum);
    tell(" detach", pthread_detach(many[199]));
    for (int i = 0; i < 8; i++)
        in_thread(do_once, NULL);
    tell("once", initialised);
    tell_detached();
    tell_thousands();
}
