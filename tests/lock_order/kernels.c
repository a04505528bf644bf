/* SPDX-License-Identifier: MIT */
/* Orders of locks, one kernel for each name. None of them deadlocks in its run: what could have is the
 * question. */
#include "kernels.h"

#include <semaphore.h>
#include <string.h>
#include <unistd.h>

pthread_mutex_t a = PTHREAD_MUTEX_INITIALIZER, b = PTHREAD_MUTEX_INITIALIZER, c = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;
static pthread_rwlock_t r = PTHREAD_RWLOCK_INITIALIZER, s = PTHREAD_RWLOCK_INITIALIZER;

static int turn;

void await_turn(int mine)
{
    while (__atomic_load_n(&turn, __ATOMIC_ACQUIRE) != mine)
        usleep(100);
}

void end_turn(void)
{
    __atomic_fetch_add(&turn, 1, __ATOMIC_RELEASE);
}

void nested(pthread_mutex_t *outer, pthread_mutex_t *inner)
{
    pthread_mutex_lock(outer);
    pthread_mutex_lock(inner);
    pthread_mutex_unlock(inner);
    pthread_mutex_unlock(outer);
}

static void *a_then_b(void *mine)
{
    await_turn((int)(long)mine);
    nested(&a, &b);
    end_turn();
    return NULL;
}

static void *b_then_a(void *mine)
{
    await_turn((int)(long)mine);
    nested(&b, &a);
    end_turn();
    return NULL;
}

static void *b_then_c(void *mine)
{
    await_turn((int)(long)mine);
    nested(&b, &c);
    end_turn();
    return NULL;
}

static void *c_then_a(void *mine)
{
    await_turn((int)(long)mine);
    nested(&c, &a);
    end_turn();
    return NULL;
}

static void *gated_a_then_b(void *mine)
{
    await_turn((int)(long)mine);
    pthread_mutex_lock(&gate);
    nested(&a, &b);
    pthread_mutex_unlock(&gate);
    end_turn();
    return NULL;
}

static void *gated_b_then_a(void *mine)
{
    await_turn((int)(long)mine);
    pthread_mutex_lock(&gate);
    nested(&b, &a);
    pthread_mutex_unlock(&gate);
    end_turn();
    return NULL;
}

static void *b_then_try_a(void *mine)
{
    await_turn((int)(long)mine);
    pthread_mutex_lock(&b);
    if (pthread_mutex_trylock(&a) == 0)
        pthread_mutex_unlock(&a);
    pthread_mutex_unlock(&b);
    end_turn();
    return NULL;
}

static void *try_b_then_a(void *mine)
{
    await_turn((int)(long)mine);
    if (pthread_mutex_trylock(&b) == 0) {
        pthread_mutex_lock(&a);
        pthread_mutex_unlock(&a);
        pthread_mutex_unlock(&b);
    }
    end_turn();
    return NULL;
}

static void *both_orders(void *mine)
{
    await_turn((int)(long)mine);
    nested(&a, &b);
    nested(&b, &a);
    end_turn();
    return NULL;
}

/* Down a list: the next one is taken before the last one is given back. */
static void *hand_over_hand(void *mine)
{
    await_turn((int)(long)mine);
    pthread_mutex_lock(&a);
    pthread_mutex_lock(&b);
    pthread_mutex_unlock(&a);
    pthread_mutex_lock(&c);
    pthread_mutex_unlock(&b);
    pthread_mutex_unlock(&c);
    end_turn();
    return NULL;
}

static void *read_r_then_s(void *mine)
{
    await_turn((int)(long)mine);
    pthread_rwlock_rdlock(&r);
    pthread_rwlock_rdlock(&s);
    pthread_rwlock_unlock(&s);
    pthread_rwlock_unlock(&r);
    end_turn();
    return NULL;
}

static void *read_s_then_r(void *mine)
{
    await_turn((int)(long)mine);
    pthread_rwlock_rdlock(&s);
    pthread_rwlock_rdlock(&r);
    pthread_rwlock_unlock(&r);
    pthread_rwlock_unlock(&s);
    end_turn();
    return NULL;
}

static void *write_s_then_r(void *mine)
{
    await_turn((int)(long)mine);
    pthread_rwlock_wrlock(&s);
    pthread_rwlock_wrlock(&r);
    pthread_rwlock_unlock(&r);
    pthread_rwlock_unlock(&s);
    end_turn();
    return NULL;
}

/* Two locks in turn at one address. */
static void *with_other_lock(void *mine)
{
    static pthread_mutex_t reused;
    await_turn((int)(long)mine);
    pthread_mutex_init(&reused, NULL);
    if ((long)mine == 0)
        nested(&reused, &b);
    else
        nested(&b, &reused);
    pthread_mutex_destroy(&reused);
    end_turn();
    return NULL;
}

static sem_t baton, units;

static void nested_in_baton(pthread_mutex_t *mutex, bool is_outer)
{
    if (is_outer)
        sem_wait(&baton);
    pthread_mutex_lock(mutex);
    if (!is_outer) {
        sem_wait(&baton);
        sem_post(&baton);
    }
    pthread_mutex_unlock(mutex);
    if (is_outer)
        sem_post(&baton);
}

static void *baton_then_a(void *mine)
{
    await_turn((int)(long)mine);
    nested_in_baton(&a, true);
    end_turn();
    return NULL;
}

static void *a_then_baton(void *mine)
{
    await_turn((int)(long)mine);
    nested_in_baton(&a, false);
    end_turn();
    return NULL;
}

/* Handed on with the mutex held, and waited for without it: nobody gives back what he took. */
static void *signal_under_a(void *mine)
{
    await_turn((int)(long)mine);
    pthread_mutex_lock(&a);
    sem_post(&baton);
    pthread_mutex_unlock(&a);
    end_turn();
    return NULL;
}

static void *a_after_signal(void *mine)
{
    await_turn((int)(long)mine);
    sem_wait(&baton);
    pthread_mutex_lock(&a);
    pthread_mutex_unlock(&a);
    sem_post(&baton);
    end_turn();
    return NULL;
}

/* One of two units: who waits for one waits for whoever comes first. */
static void *unit_then_a(void *mine)
{
    await_turn((int)(long)mine);
    sem_wait(&units);
    pthread_mutex_lock(&a);
    pthread_mutex_unlock(&a);
    sem_post(&units);
    end_turn();
    return NULL;
}

static void *a_then_unit(void *mine)
{
    await_turn((int)(long)mine);
    pthread_mutex_lock(&a);
    sem_wait(&units);
    sem_post(&units);
    pthread_mutex_unlock(&a);
    end_turn();
    return NULL;
}

/* Units of a resource are given back, not handed on: who takes one next was not waited for. */
static void *a_then_b_with_unit(void *mine)
{
    await_turn((int)(long)mine);
    sem_wait(&units);
    nested(&a, &b);
    sem_post(&units);
    end_turn();
    return NULL;
}

static void *b_then_a_with_unit(void *mine)
{
    await_turn((int)(long)mine);
    sem_wait(&units);
    nested(&b, &a);
    sem_post(&units);
    end_turn();
    return NULL;
}

void at_once(int count, void *(*const threads[])(void *))
{
    pthread_t started[4];
    for (long i = 0; i < count; i++)
        pthread_create(&started[i], NULL, threads[i], (void *)i);
    for (int i = 0; i < count; i++)
        pthread_join(started[i], NULL);
}

/* Orders of locks that are gone, and of threads that are over, many more than are remembered. */
static void make_many_locks(void)
{
    pthread_mutex_t many[2];
    for (int i = 0; i < 3000; i++) {
        for (int j = 0; j < 2; j++)
            pthread_mutex_init(&many[j], NULL);
        nested(&many[0], &many[1]);
        for (int j = 0; j < 2; j++)
            pthread_mutex_destroy(&many[j]);
    }
}

static void *three_of_its_own(void *locks)
{
    pthread_mutex_t *mine = locks;
    pthread_mutex_lock(&mine[0]);
    nested(&mine[1], &mine[2]);
    pthread_mutex_unlock(&mine[0]);
    return NULL;
}

static void make_many_threads(void)
{
    static pthread_mutex_t locks[600][3];
    for (int i = 0; i < 600; i++) {
        pthread_t thread;
        pthread_create(&thread, NULL, three_of_its_own, locks[i]);
        pthread_join(thread, NULL);
    }
}

static void one_after_the_other(void)
{
    pthread_t thread;
    pthread_create(&thread, NULL, a_then_b, (void *)0);
    pthread_join(thread, NULL);
    pthread_create(&thread, NULL, b_then_a, (void *)1);
    pthread_join(thread, NULL);
}

static void main_before_and_after(void)
{
    pthread_t thread;
    nested(&b, &a);
    pthread_create(&thread, NULL, a_then_b, (void *)0);
    pthread_join(thread, NULL);
    nested(&b, &a);
}

static void main_meanwhile(void)
{
    pthread_t thread;
    nested(&b, &a);
    pthread_create(&thread, NULL, a_then_b, (void *)0);
    b_then_a((void *)1);
    pthread_join(thread, NULL);
}

int main(int count, char **arguments)
{
    const char *name = count > 1 ? arguments[1] : "";
    if (strcmp(name, "opposite") == 0)
        AT_ONCE(a_then_b, b_then_a);
    else if (strcmp(name, "after_many_locks") == 0)
        make_many_locks(), AT_ONCE(a_then_b, b_then_a);
    else if (strcmp(name, "after_many_threads") == 0)
        make_many_threads(), AT_ONCE(a_then_b, b_then_a);
    else if (strcmp(name, "three") == 0)
        AT_ONCE(a_then_b, b_then_c, c_then_a);
    else if (strcmp(name, "half_gated") == 0)
        AT_ONCE(gated_a_then_b, b_then_a);
    else if (strcmp(name, "held_by_trying") == 0)
        AT_ONCE(a_then_b, try_b_then_a);
    else if (strcmp(name, "writers") == 0)
        AT_ONCE(read_r_then_s, write_s_then_r);
    else if (strcmp(name, "main_meanwhile") == 0)
        main_meanwhile();
    else if (strcmp(name, "gated") == 0)
        AT_ONCE(gated_a_then_b, gated_b_then_a);
    else if (strcmp(name, "gated_then_not") == 0)
        AT_ONCE(gated_a_then_b, gated_b_then_a, b_then_a);
    else if (strcmp(name, "one_after_the_other") == 0)
        one_after_the_other();
    else if (strcmp(name, "main_before_and_after") == 0)
        main_before_and_after();
    else if (strcmp(name, "one_thread") == 0)
        AT_ONCE(both_orders);
    else if (strcmp(name, "tried") == 0)
        AT_ONCE(a_then_b, b_then_try_a);
    else if (strcmp(name, "hand_over_hand") == 0)
        AT_ONCE(hand_over_hand, hand_over_hand);
    else if (strcmp(name, "readers") == 0)
        AT_ONCE(read_r_then_s, read_s_then_r);
    else if (strcmp(name, "reused_address") == 0)
        AT_ONCE(with_other_lock, with_other_lock);
    else if (strcmp(name, "semaphore") == 0)
        sem_init(&baton, 0, 1), AT_ONCE(baton_then_a, a_then_baton);
    else if (strcmp(name, "signal") == 0)
        sem_init(&baton, 0, 0), AT_ONCE(signal_under_a, a_after_signal, a_then_baton);
    else if (strcmp(name, "units") == 0)
        sem_init(&units, 0, 2), AT_ONCE(unit_then_a, a_then_unit);
    else if (strcmp(name, "with_units") == 0)
        sem_init(&units, 0, 2), AT_ONCE(a_then_b_with_unit, b_then_a_with_unit);
    else if (!run_told(name) && !run_pipes(name))
        return 2;
    return 0;
}
