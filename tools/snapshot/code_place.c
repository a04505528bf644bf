/* SPDX-License-Identifier: MIT */
#include "tools/snapshot/code_place.h"

#include <string.h>
#include <talloc.h>

#include "tools/basics/paths.h"
#include "tools/incident/incident.h"
#include "tools/snapshot/symbols.h"

static bool is_python(const char *module)
{
    const char *name = rw_base_name(module);
    return name != NULL && (strncmp(name, "python", 6) == 0 || strncmp(name, "libpython", 9) == 0);
}

/* Of inlined calls the innermost that is not in a header of the system's, nor in Python: a lock_guard is
 * nobody's own code. */
static const struct rw_frame *own_frame(const struct rw_frame *frames, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (frames[i].file != NULL && frames[i].line > 0 && !is_python(frames[i].module) &&
            strncmp(frames[i].file, "/usr/", 5) != 0)
            return &frames[i];
    return NULL;
}

const char *rw_code_place(void *ctx, struct rw_symbols *symbols, uint64_t address, bool is_return)
{
    struct rw_frame *frames = NULL;
    size_t count = 0;
    const char *place = NULL;
    if (address == 0)
        return NULL;
    void *scratch = talloc_new(ctx);
    if (rw_symbols_frames(symbols, address, is_return, scratch, &frames, &count) == 0) {
        const struct rw_frame *own = own_frame(frames, count);
        if (own != NULL)
            place = talloc_asprintf(ctx, "%s:%d in %s", own->file, own->line,
                                    own->function != NULL ? own->function : "?");
    }
    talloc_free(scratch);
    return place != NULL ? place : rw_symbols_describe(symbols, address, ctx);
}

const char *rw_code_describe(void *symbols, uint64_t address, void *ctx)
{
    struct rw_frame *frames = NULL;
    size_t count = 0;
    void *scratch = talloc_new(ctx);
    bool is_start = rw_symbols_frames(symbols, address, false, scratch, &frames, &count) == 0 &&
                    frames[count - 1].function != NULL && frames[count - 1].offset == 0;
    talloc_free(scratch);
    return is_start ? rw_symbols_describe(symbols, address, ctx) : rw_code_place(ctx, symbols, address, true);
}
