/* SPDX-License-Identifier: MIT */
#include "tools/snapshot/sysv.h"

#include <stdio.h>
#include <string.h>
#include <sys/sem.h>
#include <sys/syscall.h>
#include <talloc.h>
#include <unistd.h>

#include "tools/incident/model.h"

#define OPERATIONS_MAX 32 /* of one call that are looked at */

/* The argument of semctl(), which no header declares. */
union semaphore_argument {
    int value;
    struct semid_ds *about;
};

/* Numbers mean the same to us as to the process. */
static bool is_same_namespace(int pid)
{
    char path[64], theirs[64] = "", ours[64] = "";

    snprintf(path, sizeof(path), "/proc/%d/ns/ipc", pid);
    return readlink(path, theirs, sizeof(theirs) - 1) > 0 &&
           readlink("/proc/self/ns/ipc", ours, sizeof(ours) - 1) > 0 && strcmp(theirs, ours) == 0;
}

/* Anybody may operate on it who may use the number. */
static void add_open_end(const struct rw_wait_look *look, struct rw_wait_on *wait, const char *wants)
{
    rw_wait_add_channel(look->incident, wait, "other", wants)->name = wait->name;
}

/* A semaphore of 0 was brought there by the last one that operated on it: whoever adds to it leaves more. Of
 * a process with several threads it is not known which one that was. */
static void find_taker(const struct rw_wait_look *look, struct rw_wait_on *wait, int set,
                       unsigned short number)
{
    union semaphore_argument none = {0};
    int pid = semctl(set, number, GETPID, none), *tids;
    size_t count;

    if (pid <= 0 || semctl(set, number, GETVAL, none) != 0 ||
        rw_proc_threads(look->incident, pid, &tids, &count) < 0)
        return;
    wait->owner = (struct rw_owner){
        .tid = count == 1 ? pid : -1,
        .pid = pid,
        .certainty = count == 1 ? RW_INFERRED : RW_UNKNOWN,
        .how = talloc_asprintf(look->incident,
                               "the kernel: its value is 0, and process %d operated on it last", pid),
    };
    talloc_free(tids);
}

static bool blocks(int set, const struct sembuf *operation)
{
    union semaphore_argument none = {0};
    int value = semctl(set, operation->sem_num, GETVAL, none);

    return value >= 0 &&
           (operation->sem_op < 0 ? value < -operation->sem_op : operation->sem_op == 0 && value != 0);
}

static void fill_semaphore(const struct rw_wait_look *look, struct rw_wait_on *wait,
                           const struct rw_proc_syscall *call)
{
    struct sembuf operations[OPERATIONS_MAX];
    size_t count = call->argument[2] < OPERATIONS_MAX ? call->argument[2] : OPERATIONS_MAX;
    int set = (int32_t)call->argument[0];

    wait->kind = "sysv-semaphore";
    wait->object = (uint64_t)set;
    wait->name = talloc_asprintf(look->incident, "set %d", set);
    if (count > 0 && is_same_namespace(look->image->pid) &&
        rw_memory_read(look->image->memory, call->argument[1], operations, count * sizeof(*operations)) == 0)
        for (size_t i = 0; i < count; i++) {
            if (!blocks(set, &operations[i]))
                continue;
            wait->object |= (uint64_t)operations[i].sem_num << 32;
            wait->name = talloc_asprintf(look->incident, "set %d[%d]", set, operations[i].sem_num);
            if (operations[i].sem_op < 0)
                find_taker(look, wait, set, operations[i].sem_num);
            break;
        }
    add_open_end(look, wait, "post");
}

void rw_sysv_fill(const struct rw_wait_look *look, struct rw_thread *thread,
                  const struct rw_proc_syscall *call)
{
    struct rw_wait_on *wait = thread->waits_on;

    if (call->number == SYS_semop || call->number == SYS_semtimedop) {
        fill_semaphore(look, wait, call);
    } else if (call->number == SYS_msgrcv || call->number == SYS_msgsnd) {
        wait->name = talloc_asprintf(look->incident, "System V message queue %d", (int32_t)call->argument[0]);
        add_open_end(look, wait, call->number == SYS_msgrcv ? "data" : "room");
    }
}
