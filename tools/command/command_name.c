/* SPDX-License-Identifier: MIT */
#include "tools/command/command_name.h"

#include <string.h>
#include <unistd.h>

#include <talloc.h>

#include "tools/basics/paths.h"

char *rw_command_name(void *parent, char *const *argv)
{
    const char *program = rw_base_name(argv[0]);
    for (size_t i = 1; argv[i] != NULL; i++) {
        if (strcmp(argv[i], "-c") == 0)
            break; /* what follows is a program's text */
        if (strcmp(argv[i], "-m") == 0 && argv[i + 1] != NULL)
            return talloc_asprintf(parent, "%s -m %s", program, argv[i + 1]);
        if (argv[i][0] != '-') {
            if (access(argv[i], F_OK) != 0)
                break;
            return talloc_asprintf(parent, "%s %s", program, rw_base_name(argv[i]));
        }
    }
    return talloc_strdup(parent, program);
}
