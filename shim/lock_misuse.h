/* SPDX-License-Identifier: MIT */
/*
 * What must not be done to a lock: the slow half of the question, which the wrappers come to where a glance
 * at the lock leaves it open. Internal to shim/; any thread, before the real call; errno is kept.
 *
 * Blamed is only what this process's own threads do to each other: a lock that was held at a fork, or that
 * processes share, has an owner that is none of them.
 */
#ifndef RACEWATCH_SHIM_LOCK_MISUSE_H
#define RACEWATCH_SHIM_LOCK_MISUSE_H

#include <pthread.h>
#include <semaphore.h>

#include "shim/self.h"

/* The mutex is about to be unlocked, and its owner seems to be somebody else. */
void rw_check_owner(const pthread_mutex_t *mutex, const void *return_address);

/* A wait for it was given up. Of a read-write lock only its writer is known. */
void rw_check_fork_lock(const pthread_mutex_t *mutex, const void *return_address);
void rw_check_fork_rwlock(const pthread_rwlock_t *lock, const void *return_address);

/* It is about to be destroyed. */
void rw_check_mutex_destroyed(const pthread_mutex_t *mutex, const void *return_address);
void rw_check_semaphore_destroyed(const sem_t *semaphore, const void *return_address);

#endif
