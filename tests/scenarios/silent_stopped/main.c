/* SPDX-License-Identifier: MIT */
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

static void *works(void *unused)
{
    for (volatile unsigned i = 0; i < 300000000u; i++)
        ;
    return unused;
}

int main(void)
{
    pid_t child = fork();
    if (child == 0) {
        pthread_t thread;
        pthread_create(&thread, NULL, works, NULL);
        pthread_join(thread, NULL);
        _exit(0);
    }
    int status = 0;
    kill(child, SIGSTOP);
    waitpid(child, &status, WUNTRACED);
    for (int i = 0; i < 30; i++)
        usleep(100000);
    kill(child, SIGCONT);
    waitpid(child, &status, 0);
    return status != 0;
}
