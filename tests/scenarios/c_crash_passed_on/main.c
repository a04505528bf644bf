/* SPDX-License-Identifier: MIT */
#include <assert.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

static volatile int invariant;

/* A wrapper, as timeout(1) is one: it ends as its child did. */
int main(void)
{
    int status;
    if (fork() == 0)
        assert(invariant == 1); /* HERE assert */
    wait(&status);
    raise(WTERMSIG(status));
    return 0;
}
