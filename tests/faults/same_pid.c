/* SPDX-License-Identifier: MIT */
/* Twenty children, one after the other, all of the same pid. For a pid namespace of its own. */
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static void *nothing(void *unused)
{
    return unused;
}

static void next_pid(const char *pid)
{
    int fd = open("/proc/sys/kernel/ns_last_pid", O_WRONLY);
    if (fd < 0 || write(fd, pid, strlen(pid)) < 0)
        _exit(7);
    close(fd);
}

int main(void)
{
    for (int i = 0; i < 20; i++) {
        int status = -1;
        next_pid("499");
        pid_t pid = fork();
        if (pid == 0) {
            pthread_t thread;
            pthread_create(&thread, NULL, nothing, NULL);
            pthread_join(thread, NULL);
            _exit(i);
        }
        waitpid(pid, &status, 0);
        printf("child %d: %d\n", pid, status);
    }
    return 3;
}
