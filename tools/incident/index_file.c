/* SPDX-License-Identifier: MIT */
#include "tools/incident/index_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tools/basics/files.h"

#define BYTES_MAX (16u * 1024 * 1024)

static json_t *load(int fd, bool *is_unknown)
{
    json_error_t error;
    FILE *file = fdopen(fd, "r");
    json_t *index = file != NULL ? json_loadf(file, 0, &error) : NULL;
    *is_unknown = file == NULL || ferror(file) ||
                  (index == NULL && json_error_code(&error) == json_error_out_of_memory);
    if (file != NULL)
        fclose(file);
    else
        close(fd);
    return index;
}

json_t *rw_index_read(int at, const char *path, bool *is_unknown)
{
    bool is_lost = false;
    struct stat status;
    json_t *index = NULL;
    int fd = rw_open_regular(at, path, O_NOFOLLOW);
    if (fd < 0)
        is_lost = fd == -EIO || fd == -ENOMEM || fd == -EMFILE || fd == -ENFILE || fd == -EINTR;
    else if (fstat(fd, &status) != 0 || status.st_size > BYTES_MAX)
        close(fd);
    else
        index = load(fd, &is_lost);
    if (is_unknown != NULL)
        *is_unknown = is_lost;
    if (json_is_integer(json_object_get(index, "schema")) &&
        json_is_array(json_object_get(index, "incidents")))
        return index;
    json_decref(index);
    return NULL;
}
