/* SPDX-License-Identifier: MIT */
#include "tools/command/ddmin.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct search {
    rw_ddmin_probe *probe;
    void *context;
    size_t *items, *trial;
    size_t count;
};

/* Part `index` of `parts` equal ones. */
static size_t edge(const struct search *search, size_t parts, size_t index)
{
    return search->count * index / parts;
}

/* The part alone, or all but it, takes the set's place if it fails with that. */
static int try_part(struct search *search, size_t parts, size_t index, int is_complement)
{
    size_t from = edge(search, parts, index), to = edge(search, parts, index + 1), count = 0;
    for (size_t i = 0; i < search->count; i++)
        if ((i >= from && i < to) != is_complement)
            search->trial[count++] = search->items[i];
    if (count == 0)
        return 0;
    int fails = search->probe(search->context, search->trial, count);
    if (fails == 1) {
        memcpy(search->items, search->trial, count * sizeof(*search->items));
        search->count = count;
    }
    return fails;
}

/* The later parts first: what comes before a failure is mostly near it. */
static int try_parts(struct search *search, size_t parts, int is_complement)
{
    int fails = 0;
    for (size_t i = parts; fails == 0 && i-- > 0;)
        fails = try_part(search, parts, i, is_complement);
    return fails;
}

int rw_ddmin(rw_ddmin_probe *probe, void *context, size_t *items, size_t *count)
{
    struct search search = {probe, context, items, calloc(*count, sizeof(*items)), *count};
    size_t parts = 2;
    int fails = search.trial != NULL ? 0 : -ENOMEM;
    while (fails >= 0 && search.count >= 2) {
        fails = try_parts(&search, parts, 0);
        if (fails == 1) {
            parts = 2;
            continue;
        }
        if (fails == 0 && parts > 2) /* of two parts, each is the other's complement */
            fails = try_parts(&search, parts, 1);
        if (fails == 1) {
            parts--;
        } else if (fails == 0) {
            if (parts >= search.count)
                break;
            parts = 2 * parts < search.count ? 2 * parts : search.count;
        }
    }
    free(search.trial);
    *count = search.count;
    return fails < 0 ? fails : 0;
}
