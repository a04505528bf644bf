/* SPDX-License-Identifier: MIT */
/* Runs a program that may not make some system calls, nor may what it starts:
 *     without CALL[:ERRNO|:kill]... -- PROGRAM [ARGUMENT...]
 * where CALL and ERRNO are numbers. */
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#define CALLS_MAX 64

static uint32_t answer_of(const char *end)
{
    if (strcmp(end, ":kill") == 0)
        return SECCOMP_RET_KILL_PROCESS;
    return SECCOMP_RET_ERRNO | ((*end == ':' ? (uint32_t)atoi(end + 1) : EPERM) & SECCOMP_RET_DATA);
}

int main(int argc, char **argv)
{
    struct sock_filter filter[2 * CALLS_MAX + 2];
    unsigned short length = 0;
    filter[length++] =
        (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
    int at = 1;
    for (; at < argc && strcmp(argv[at], "--") != 0 && at <= CALLS_MAX; at++) {
        char *end;
        uint32_t number = (uint32_t)strtoul(argv[at], &end, 10);
        filter[length++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, number, 0, 1);
        filter[length++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, answer_of(end));
    }
    filter[length++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    struct sock_fprog program = {.len = length, .filter = filter};
    if (at + 1 >= argc || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
        prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program))
        return 125;
    execvp(argv[at + 1], argv + at + 1);
    perror(argv[at + 1]);
    return 126;
}
