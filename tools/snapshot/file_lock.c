/* SPDX-License-Identifier: MIT */
#include "tools/snapshot/file_lock.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define LOOKS_MAX 40
#define PAUSE_NS 1000000

static int look(int pid, uint64_t inode)
{
    /* "7: FLOCK ADVISORY WRITE 123 fd:00:456 0 EOF", and after it "7: -> FLOCK ..." for each that waits for
     * it. */
    FILE *file = fopen("/proc/locks", "re");
    char line[256];
    int found = -1, holder = -1;

    while (file && found < 0 && fgets(line, sizeof(line), file)) {
        const char *arrow = strstr(line, "->");
        const char *rest = arrow ? arrow + 2 : strchr(line, ':') ? strchr(line, ':') + 1 : line;
        uint64_t of_line;
        int owner;
        if (sscanf(rest, " %*s %*s %*s %d %*x:%*x:%" SCNu64, &owner, &of_line) != 2)
            continue;
        if (!arrow)
            holder = owner;
        else if (owner == pid && of_line == inode)
            found = holder;
    }
    if (file)
        fclose(file);
    return found;
}

/* The kernel hands out the table in pieces, and where locks come and go between two of them, which they do
 * all over the machine, it skips some: who waits is in it, so it is worth more than one look, and a pause for
 * what comes and goes to be over. */
int rw_file_lock_holder(int pid, uint64_t inode)
{
    const struct timespec pause = {.tv_nsec = PAUSE_NS};
    int holder = look(pid, inode);

    for (int tries = 1; tries < LOOKS_MAX && holder < 0; tries++) {
        nanosleep(&pause, NULL);
        holder = look(pid, inode);
    }
    return holder;
}
