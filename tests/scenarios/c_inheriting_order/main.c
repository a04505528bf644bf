/* SPDX-License-Identifier: MIT */
#include <pthread.h>
#include <stddef.h>
#include <unistd.h>

static pthread_mutex_t motor_lock, valve_lock;
static pthread_barrier_t both_have_one;

static void *motor(void *unused)
{
    pthread_setname_np(pthread_self(), "motor");
    pthread_mutex_lock(&motor_lock);
    pthread_barrier_wait(&both_have_one);
    pthread_mutex_lock(&valve_lock); /* HERE motor-wants */
    return unused;
}

static void *valve(void *unused)
{
    pthread_setname_np(pthread_self(), "valve");
    pthread_mutex_lock(&valve_lock);
    pthread_barrier_wait(&both_have_one);
    pthread_mutex_lock(&motor_lock); /* HERE valve-wants */
    return unused;
}

static void *bystander(void *unused)
{
    pthread_setname_np(pthread_self(), "bystander");
    for (;;)
        pause();
    return unused;
}

int main(void)
{
    pthread_mutexattr_t inherits;
    pthread_t threads[3];

    pthread_mutexattr_init(&inherits);
    pthread_mutexattr_setprotocol(&inherits, PTHREAD_PRIO_INHERIT);
    pthread_mutex_init(&motor_lock, &inherits);
    pthread_mutex_init(&valve_lock, &inherits);
    pthread_barrier_init(&both_have_one, NULL, 2);
    pthread_create(&threads[0], NULL, bystander, NULL);
    pthread_create(&threads[1], NULL, motor, NULL);
    pthread_create(&threads[2], NULL, valve, NULL);
    pthread_join(threads[1], NULL);
    pthread_join(threads[2], NULL);
    return 0;
}
