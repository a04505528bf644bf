/* SPDX-License-Identifier: MIT */
/* Runs a program in which no memory that was not executable may become so (PR_SET_MDWE, Linux 6.3): as under
 * systemd's MemoryDenyWriteExecute or SELinux without execmem. Exit status 77 where the kernel has no such
 * thing. */
#include <stdio.h>
#include <sys/prctl.h>
#include <unistd.h>

#ifndef PR_SET_MDWE
#define PR_SET_MDWE 65
#endif

int main(int argc, char **argv)
{
    enum { REFUSE_EXEC_GAIN = 1 };
    if (argc < 2 || prctl(PR_SET_MDWE, REFUSE_EXEC_GAIN, 0, 0, 0) != 0)
        return 77;
    execvp(argv[1], argv + 1);
    perror(argv[1]);
    return 127;
}
