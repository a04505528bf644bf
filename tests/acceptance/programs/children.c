/* SPDX-License-Identifier: MIT */
/* fork, _Fork, vfork, posix_spawn, popen, system and exec, from several threads; each child's status is
 * right. */
#include <pthread.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

static int status_of(pid_t child)
{
    int status = -1;
    waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void *child_thread(void *unused)
{
    return unused;
}

static int in_child(int status)
{
    pthread_t thread;
    if (pthread_create(&thread, NULL, child_thread, NULL) || pthread_join(thread, NULL))
        return 99;
    return status;
}

static void *forker(void *argument)
{
    int *sum = argument;
    for (int i = 0; i < 10; i++) {
        pid_t child = fork();
        if (child == 0)
            _exit(in_child(3));
        *sum += status_of(child);
    }
    return NULL;
}

int main(void)
{
    char *const argv[] = {"sh", "-c", "exit 5", NULL};
    int sums[4] = {0};
    pthread_t threads[4];
    pid_t child;
    FILE *pipe;
    char line[16] = "";

    for (int i = 0; i < 4; i++)
        pthread_create(&threads[i], NULL, forker, &sums[i]);
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    printf("fork %d %d %d %d\n", sums[0], sums[1], sums[2], sums[3]);

    child = _Fork();
    if (child == 0)
        _exit(4);
    printf("_Fork %d\n", status_of(child));

    child = vfork();
    if (child == 0) {
        execve("/bin/sh", argv, environ);
        _exit(98);
    }
    printf("vfork %d\n", status_of(child));

    if (posix_spawn(&child, "/bin/sh", NULL, NULL, argv, environ) == 0)
        printf("posix_spawn %d\n", status_of(child));
    printf("posix_spawn of nothing %d\n", posix_spawn(&child, "/nonexistent", NULL, NULL, argv, environ));

    pipe = popen("echo popen", "r");
    if (pipe && fgets(line, sizeof line, pipe))
        printf("%s", line);
    printf("pclose %d\n", pipe ? pclose(pipe) : -1);
    printf("system %d\n", WEXITSTATUS(system("exit 6")));

    fflush(stdout);
    execl("/nonexistent", "x", (char *)NULL);
    execl("/bin/sh", "sh", "-c", "echo exec; exit 8", (char *)NULL);
    return 97;
}
