/* SPDX-License-Identifier: MIT */
#include <pthread.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#define PROCESSES 120

struct shared {
    pthread_mutex_t locks[PROCESSES];
    pthread_barrier_t all;
};

int main(void)
{
    struct shared *shared =
        mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    pthread_mutexattr_t mutex;
    pthread_barrierattr_t barrier;
    int mine = 0;

    pthread_mutexattr_init(&mutex);
    pthread_mutexattr_setpshared(&mutex, PTHREAD_PROCESS_SHARED);
    for (int i = 0; i < PROCESSES; i++)
        pthread_mutex_init(&shared->locks[i], &mutex);
    pthread_barrierattr_init(&barrier);
    pthread_barrierattr_setpshared(&barrier, PTHREAD_PROCESS_SHARED);
    pthread_barrier_init(&shared->all, &barrier, PROCESSES);
    for (int i = 1; i < PROCESSES && mine == 0; i++) {
        pid_t child = fork();
        if (child < 0)
            abort();
        mine = child ? 0 : i;
    }
    pthread_mutex_lock(&shared->locks[mine]);
    pthread_barrier_wait(&shared->all);
    pthread_mutex_lock(&shared->locks[(mine + 1) % PROCESSES]); /* HERE next-lock */
    return 0;
}
