/* SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#define CHILDREN 120

/* Each child reads from a pipe of its own. The parent has all the other ends, and so has each later child. */
int main(void)
{
    pid_t first = 0;

    for (int i = 0; i < CHILDREN; i++) {
        int ends[2];
        char byte;
        if (pipe(ends))
            abort();
        pid_t child = fork();
        if (child < 0)
            abort();
        if (child == 0)
            _exit(read(ends[0], &byte, 1) != 1); /* HERE reads */
        close(ends[0]);
        first = first ? first : child;
    }
    waitpid(first, NULL, 0); /* HERE parent-waits */
    return 0;
}
