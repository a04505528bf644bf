/* SPDX-License-Identifier: MIT */
#include "tools/command/library.h"

#include <limits.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <talloc.h>

#define LIBRARY "libracewatch.so"

char *rw_find_library(void *parent, char **why)
{
    static const char *const folders[] = {".", "../shim", "../lib/racewatch", "../lib",
                                          "../lib/x86_64-linux-gnu"};
    char self[PATH_MAX], real[PATH_MAX];
    ssize_t length = readlink("/proc/self/exe", self, sizeof(self) - 1);
    *why = NULL;
    if (length <= 0) {
        *why = talloc_strdup(parent, "/proc is needed, and not there");
        return NULL;
    }
    self[length] = '\0';
    *strrchr(self, '/') = '\0';
    for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++) {
        char *path = talloc_asprintf(parent, "%s/%s/%s", self, folders[i], LIBRARY);
        bool found = realpath(path, real) != NULL && access(real, R_OK) == 0;
        talloc_free(path);
        if (!found)
            continue;
        /* The loader takes LD_PRELOAD apart at these, and knows no way to quote them. */
        if (strpbrk(real, ": \t\n") == NULL)
            return talloc_strdup(parent, real);
        *why =
            talloc_asprintf(parent, "%s cannot be preloaded: there is a space or a colon in its path", real);
        return NULL;
    }
    *why = talloc_asprintf(parent, "%s is not beside the program, in %s", LIBRARY, self);
    return NULL;
}
