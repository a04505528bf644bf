/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

int main(void)
{
    static char output[1 << 20];
    int ends[2];
    pid_t child;

    if (pipe(ends))
        return 1;
    child = fork();
    if (child == 0) {
        close(ends[0]);
        _exit(write(ends[1], output, sizeof(output)) < 0); /* HERE child-writes */
    }
    close(ends[1]);
    waitpid(child, NULL, 0); /* HERE parent-waits */
    return read(ends[0], output, sizeof(output)) < 0;
}
