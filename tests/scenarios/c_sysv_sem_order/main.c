// SPDX-License-Identifier: MIT
#include <sys/sem.h>
#include <sys/wait.h>
#include <unistd.h>

static int set;

static void operate(int number, int by)
{
    struct sembuf operation = {(unsigned short)number, (short)by, 0};

    semop(set, &operation, 1); // HERE wants
}

static void transfer(int first, int second, int meet)
{
    operate(first, -1);
    operate(meet, -1); /* both have their first one */
    operate(meet, 0);
    operate(second, -1);
    operate(second, 1);
    operate(first, 1);
}

int main(void)
{
    static unsigned short values[] = {1, 1, 2};

    set = semget(IPC_PRIVATE, 3, 0600);
    semctl(set, 0, SETALL, values);
    if (fork() == 0) {
        transfer(1, 0, 2);
        _exit(0);
    }
    transfer(0, 1, 2);
    wait(NULL);
    semctl(set, 0, IPC_RMID);
    return 0;
}
