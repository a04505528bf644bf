/* SPDX-License-Identifier: MIT */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

int main(void)
{
    char folder[] = "fifo-XXXXXX", requests[32], answers[32];

    if (!mkdtemp(folder))
        return 1;
    snprintf(requests, sizeof(requests), "%s/requests", folder);
    snprintf(answers, sizeof(answers), "%s/answers", folder);
    mkfifo(requests, 0600);
    mkfifo(answers, 0600);
    pid_t child = fork();
    int in = open(child ? answers : requests, O_RDONLY); /* HERE opens */
    int out = open(child ? requests : answers, O_WRONLY);
    close(in);
    close(out);
    if (child)
        waitpid(child, NULL, 0);
    return 0;
}
