/* SPDX-License-Identifier: MIT */
/*
 * A library to preload that stands between a program and libc and does nothing: what is left is a call
 * through another jump, the least that any wrapper costs.
 */
#include <dlfcn.h>
#include <pthread.h>
#include <semaphore.h>

#define PASS_ON(name, type)                                                                                  \
    static int (*real_##name)(type *);                                                                       \
    __attribute__((constructor)) static void find_##name(void)                                               \
    {                                                                                                        \
        real_##name = (int (*)(type *))dlsym(RTLD_NEXT, #name);                                              \
    }                                                                                                        \
    int name(type *object)                                                                                   \
    {                                                                                                        \
        return real_##name(object);                                                                          \
    }

PASS_ON(pthread_mutex_lock, pthread_mutex_t)
PASS_ON(pthread_mutex_unlock, pthread_mutex_t)
PASS_ON(pthread_rwlock_rdlock, pthread_rwlock_t)
PASS_ON(pthread_rwlock_unlock, pthread_rwlock_t)
PASS_ON(sem_wait, sem_t)
PASS_ON(sem_trywait, sem_t)
PASS_ON(sem_post, sem_t)
