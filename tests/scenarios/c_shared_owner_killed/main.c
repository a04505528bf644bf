/* SPDX-License-Identifier: MIT */
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

struct shared {
    pthread_mutex_t lock;
    pthread_barrier_t taken;
};

int main(void)
{
    struct shared *shared =
        mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    pthread_mutexattr_t mutex;
    pthread_barrierattr_t barrier;

    pthread_mutexattr_init(&mutex);
    pthread_mutexattr_setpshared(&mutex, PTHREAD_PROCESS_SHARED);
    pthread_mutex_init(&shared->lock, &mutex);
    pthread_barrierattr_init(&barrier);
    pthread_barrierattr_setpshared(&barrier, PTHREAD_PROCESS_SHARED);
    pthread_barrier_init(&shared->taken, &barrier, 2);
    pid_t child = fork();
    if (child == 0) {
        pthread_mutex_lock(&shared->lock);
        pthread_barrier_wait(&shared->taken);
        for (;;)
            pause();
    }
    pthread_barrier_wait(&shared->taken);
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    pthread_mutex_lock(&shared->lock); /* HERE wants-it */
    return 0;
}
