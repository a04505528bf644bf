/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdio.h>
#include <sys/wait.h>

int main(void)
{
    int status;
    pid_t pid = waitpid(-1, &status, __WALL);
    if (pid == -1 && errno == ECHILD)
        puts("no child");
    else
        printf("child %d\n", (int)pid);
    return 0;
}
