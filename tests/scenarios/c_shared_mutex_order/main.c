/* SPDX-License-Identifier: MIT */
#include <pthread.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

struct shared {
    pthread_mutex_t one, two;
    pthread_barrier_t both;
};

int main(void)
{
    struct shared *shared =
        mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    pthread_mutexattr_t mutex;
    pthread_barrierattr_t barrier;

    pthread_mutexattr_init(&mutex);
    pthread_mutexattr_setpshared(&mutex, PTHREAD_PROCESS_SHARED);
    pthread_mutex_init(&shared->one, &mutex);
    pthread_mutex_init(&shared->two, &mutex);
    pthread_barrierattr_init(&barrier);
    pthread_barrierattr_setpshared(&barrier, PTHREAD_PROCESS_SHARED);
    pthread_barrier_init(&shared->both, &barrier, 2);
    pid_t child = fork();
    pthread_mutex_lock(child ? &shared->one : &shared->two);
    pthread_barrier_wait(&shared->both);
    pthread_mutex_lock(child ? &shared->two : &shared->one); /* HERE second-lock */
    return 0;
}
