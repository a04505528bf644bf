/* SPDX-License-Identifier: MIT */
#include "tools/monitor/summary.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "tools/basics/files.h"
#include "tools/report/report.h"

#define BYTES_MAX (64u * 1024)
#define BYTES_EACH (16u * 1024) /* so that several incidents fit */

size_t rw_summary_append(const struct rw_incident *incident, size_t before)
{
    const char *path = getenv("GITHUB_STEP_SUMMARY");
    if (path == NULL || *path == '\0' || before >= BYTES_MAX)
        return 0;
    size_t room = BYTES_MAX - before, size = 0;
    char *text = NULL;
    FILE *memory = open_memstream(&text, &size);
    if (memory == NULL)
        return 0;
    int error = rw_report_markdown(incident, memory, room < BYTES_EACH ? room : BYTES_EACH);
    if (fclose(memory) != 0 || size > room)
        error = -1;
    size_t written = 0;
    int fd = error != 0 ? -1 : open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NONBLOCK, 0600);
    if (fd >= 0) {
        rw_lock(fd); /* two runs of one step do not mix their lines */
        ssize_t length = write(fd, text, size);
        written = length > 0 ? (size_t)length : 0;
        close(fd);
    }
    free(text);
    return written;
}
