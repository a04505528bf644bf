/* SPDX-License-Identifier: MIT */
#include "tools/basics/paths.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <talloc.h>

const char *rw_base_name(const char *path)
{
    const char *slash = path != NULL ? strrchr(path, '/') : NULL;
    return slash != NULL ? slash + 1 : path;
}

char *rw_absolute_path(void *parent, const char *path)
{
    char *cwd = *path != '/' ? getcwd(NULL, 0) : NULL;
    if (*path != '/' && cwd == NULL)
        return NULL;
    char *result = cwd != NULL ? talloc_asprintf(parent, "%s/%s", cwd, path) : talloc_strdup(parent, path);
    free(cwd);
    for (size_t length = strlen(result); length > 1 && result[length - 1] == '/'; length--)
        result[length - 1] = '\0';
    return result;
}
