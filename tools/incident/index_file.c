/* SPDX-License-Identifier: MIT */
#include "tools/incident/index_file.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tools/basics/files.h"

#define BYTES_MAX (16u * 1024 * 1024)

json_t *rw_index_read(int at, const char *path)
{
    int fd = rw_open_regular(at, path, O_NOFOLLOW);
    struct stat status;
    FILE *file = NULL;
    json_t *index = NULL;
    if (fd >= 0 && fstat(fd, &status) == 0 && status.st_size <= BYTES_MAX)
        file = fdopen(fd, "r");
    if (file != NULL) {
        index = json_loadf(file, 0, NULL);
        fclose(file);
    } else if (fd >= 0) {
        close(fd);
    }
    if (json_is_integer(json_object_get(index, "schema")) &&
        json_is_array(json_object_get(index, "incidents")))
        return index;
    json_decref(index);
    return NULL;
}
