/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "tests/unit/shim/subject_cases.h"

static const struct {
    const char *name;
    int (*run)(void);
} cases[] = {
    {"deadlock", case_deadlock},
    {"semantics", case_semantics},
    {"cancel", case_cancel},
    {"versions", case_versions},
    {"threads", case_threads},
    {"fork", case_fork},
    {"wait_all", case_wait_all},
    {"test", case_test},
    {"undumpable", case_undumpable},
    {"semaphore_taken", case_semaphore_taken},
    {"many_semaphores", case_many_semaphores},
    {"many_waits", case_many_waits},
    {"subreaper", case_subreaper},
    {"scribble", case_scribble},
    {"confined", case_confined},
    {"left", case_left},
};

int main(int count, char **arguments)
{
    if (count == 3 && strcmp(arguments[1], "remove_folders") == 0)
        return remove_folders(arguments[2]);
    for (size_t i = 0; count == 2 && i < sizeof cases / sizeof cases[0]; i++) {
        if (strcmp(cases[i].name, arguments[1]) == 0)
            return cases[i].run();
    }
    fprintf(stderr, "usage: %s case\n", arguments[0]);
    return 2;
}
