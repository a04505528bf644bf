/* SPDX-License-Identifier: MIT */
/* Another library that is preloaded and wraps what the shim wraps. */
#include <dlfcn.h>
#include <pthread.h>
#include <semaphore.h>

#define WRAP(name, parameters, arguments)                                                                    \
    int name parameters;                                                                                     \
    int name parameters                                                                                      \
    {                                                                                                        \
        static int(*next) parameters;                                                                        \
        if (!next)                                                                                           \
            next = (int(*) parameters)dlsym(RTLD_NEXT, #name);                                               \
        return next arguments;                                                                               \
    }

WRAP(pthread_mutex_lock, (pthread_mutex_t * mutex), (mutex))
WRAP(pthread_mutex_trylock, (pthread_mutex_t * mutex), (mutex))
WRAP(pthread_create,
     (pthread_t * thread, const pthread_attr_t *attributes, void *(*start)(void *), void *argument),
     (thread, attributes, start, argument))
WRAP(pthread_join, (pthread_t thread, void **value), (thread, value))
WRAP(sem_wait, (sem_t * semaphore), (semaphore))
WRAP(sem_post, (sem_t * semaphore), (semaphore))
WRAP(setenv, (const char *name, const char *value, int overwrite), (name, value, overwrite))
