/* SPDX-License-Identifier: MIT */
#include "tools/command/isolate_search.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct search {
    rw_isolate_probe *probe;
    void *context;
    size_t *tests, *trial;
    size_t count;
};

/* Part `index` of `parts` equal ones. */
static size_t edge(const struct search *search, size_t parts, size_t index)
{
    return search->count * index / parts;
}

/* The part alone, or all but it, takes the set's place if it hangs after that. */
static int try_part(struct search *search, size_t parts, size_t index, int is_complement)
{
    size_t from = edge(search, parts, index), to = edge(search, parts, index + 1), count = 0;
    for (size_t i = 0; i < search->count; i++)
        if ((i >= from && i < to) != is_complement)
            search->trial[count++] = search->tests[i];
    if (count == 0)
        return 0;
    int hangs = search->probe(search->context, search->trial, count);
    if (hangs == 1) {
        memcpy(search->tests, search->trial, count * sizeof(*search->tests));
        search->count = count;
    }
    return hangs;
}

/* The later parts first: what is left behind is mostly met soon. */
static int try_parts(struct search *search, size_t parts, int is_complement)
{
    int hangs = 0;
    for (size_t i = parts; hangs == 0 && i-- > 0;)
        hangs = try_part(search, parts, i, is_complement);
    return hangs;
}

int rw_isolate_reduce(rw_isolate_probe *probe, void *context, size_t *tests, size_t *count)
{
    struct search search = {probe, context, tests, calloc(*count, sizeof(*tests)), *count};
    size_t parts = 2;
    int hangs = search.trial != NULL ? 0 : -ENOMEM;
    while (hangs >= 0 && search.count >= 2) {
        hangs = try_parts(&search, parts, 0);
        if (hangs == 1) {
            parts = 2;
            continue;
        }
        if (hangs == 0 && parts > 2) /* of two parts, each is the other's complement */
            hangs = try_parts(&search, parts, 1);
        if (hangs == 1) {
            parts--;
        } else if (hangs == 0) {
            if (parts >= search.count)
                break;
            parts = 2 * parts < search.count ? 2 * parts : search.count;
        }
    }
    free(search.trial);
    *count = search.count;
    return hangs < 0 ? hangs : 0;
}
