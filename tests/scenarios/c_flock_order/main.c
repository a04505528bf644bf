/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <unistd.h>

static int open_file(const char *path)
{
    return fileno(fopen(path, "a"));
}

int main(void)
{
    char folder[] = "flock-XXXXXX", first[32], second[32], byte;
    int ready[2][2];
    pid_t child;

    if (!mkdtemp(folder) || pipe(ready[0]) || pipe(ready[1]))
        return 1;
    snprintf(first, sizeof(first), "%s/first", folder);
    snprintf(second, sizeof(second), "%s/second", folder);
    child = fork();
    /* Opened after the fork: a lock belongs to an open file, which a fork shares. */
    int mine = open_file(child ? first : second), other = open_file(child ? second : first);
    flock(mine, LOCK_EX);
    if (write(ready[child != 0][1], "x", 1) != 1 || read(ready[child == 0][0], &byte, 1) != 1)
        return 2;
    flock(other, LOCK_EX); /* HERE second-lock */
    flock(mine, LOCK_UN);
    if (child)
        waitpid(child, NULL, 0);
    return 0;
}
