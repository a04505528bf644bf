/* SPDX-License-Identifier: MIT */
/* Orders of locks that threads keep apart because one tells the other, or do not, though one does. */
#include "kernels.h"

#include <semaphore.h>
#include <string.h>

static pthread_mutex_t told_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t told_came = PTHREAD_COND_INITIALIZER;
static pthread_barrier_t meeting;
static sem_t given, taken;
static int told;

static void await_told(int what)
{
    pthread_mutex_lock(&told_lock);
    while (told < what)
        pthread_cond_wait(&told_came, &told_lock);
    pthread_mutex_unlock(&told_lock);
}

static void tell(void)
{
    pthread_mutex_lock(&told_lock);
    told++;
    pthread_cond_broadcast(&told_came);
    pthread_mutex_unlock(&told_lock);
}

static void *a_then_b_then_tell(void *unused)
{
    nested(&a, &b);
    tell();
    end_turn();
    return unused;
}

static void *b_then_a_when_told(void *unused)
{
    await_told(1);
    nested(&b, &a);
    return unused;
}

/* It comes too late to have to wait. */
static void *b_then_a_told_before(void *unused)
{
    await_turn(1);
    return b_then_a_when_told(unused);
}

/* Told of something else: it may go on while the other has still to do it. */
static void *tell_then_a_then_b(void *unused)
{
    tell();
    nested(&a, &b);
    end_turn();
    return unused;
}

static void *b_then_a_later(void *unused)
{
    await_told(1);
    await_turn(1);
    nested(&b, &a);
    return unused;
}

/* What came before the signal is kept apart, what comes after it is not. */
static void *a_then_b_twice(void *unused)
{
    nested(&a, &b);
    tell();
    nested(&a, &b);
    end_turn();
    return unused;
}

/* The flag could as well be read before it is set: a mutex hands nothing on. */
static void *a_then_b_then_flag(void *unused)
{
    nested(&a, &b);
    pthread_mutex_lock(&c);
    told = 1;
    pthread_mutex_unlock(&c);
    end_turn();
    return unused;
}

static void *flag_then_b_then_a(void *unused)
{
    await_turn(1);
    pthread_mutex_lock(&c);
    told++;
    pthread_mutex_unlock(&c);
    nested(&b, &a);
    return unused;
}

/* Strictly in turns, many times. */
enum { ROUNDS = 50 };

static void *even_turns(void *unused)
{
    for (int i = 0; i < ROUNDS; i++) {
        await_told(2 * i);
        nested(&a, &b);
        tell();
    }
    return unused;
}

static void *odd_turns(void *unused)
{
    for (int i = 0; i < ROUNDS; i++) {
        await_told(2 * i + 1);
        nested(&b, &a);
        tell();
    }
    return unused;
}

static void *give_turns(void *unused)
{
    for (int i = 0; i < ROUNDS; i++) {
        nested(&a, &b);
        sem_post(&given);
        sem_wait(&taken);
    }
    return unused;
}

static void *take_turns(void *unused)
{
    for (int i = 0; i < ROUNDS; i++) {
        sem_wait(&given);
        nested(&b, &a);
        sem_post(&taken);
    }
    return unused;
}

static void *a_then_b_then_barrier(void *unused)
{
    nested(&a, &b);
    pthread_barrier_wait(&meeting);
    return unused;
}

static void *barrier_then_b_then_a(void *unused)
{
    pthread_barrier_wait(&meeting);
    nested(&b, &a);
    return unused;
}

/* Someone else is the go-between. */
static void *hand_through(void *unused)
{
    sem_wait(&given);
    tell();
    return unused;
}

static void *a_then_b_then_give(void *unused)
{
    nested(&a, &b);
    sem_post(&given);
    return unused;
}

bool run_told(const char *name)
{
    if (strcmp(name, "told_too_early") == 0)
        AT_ONCE(tell_then_a_then_b, b_then_a_later);
    else if (strcmp(name, "told_and_again") == 0)
        AT_ONCE(a_then_b_twice, b_then_a_later);
    else if (strcmp(name, "flag_under_mutex") == 0)
        AT_ONCE(a_then_b_then_flag, flag_then_b_then_a);
    else if (strcmp(name, "told") == 0)
        AT_ONCE(a_then_b_then_tell, b_then_a_when_told);
    else if (strcmp(name, "told_before") == 0)
        AT_ONCE(a_then_b_then_tell, b_then_a_told_before);
    else if (strcmp(name, "turns") == 0)
        AT_ONCE(even_turns, odd_turns);
    else if (strcmp(name, "semaphores") == 0)
        sem_init(&given, 0, 0), sem_init(&taken, 0, 0), AT_ONCE(give_turns, take_turns);
    else if (strcmp(name, "barrier") == 0)
        pthread_barrier_init(&meeting, NULL, 2), AT_ONCE(a_then_b_then_barrier, barrier_then_b_then_a);
    else if (strcmp(name, "go_between") == 0)
        sem_init(&given, 0, 0), AT_ONCE(a_then_b_then_give, hand_through, b_then_a_when_told);
    else
        return false;
    return true;
}
