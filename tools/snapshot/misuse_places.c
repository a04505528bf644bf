/* SPDX-License-Identifier: MIT */
#include "tools/snapshot/misuse_places.h"

#include <string.h>
#include <talloc.h>

#include "tools/snapshot/symbols.h"

static bool is_python(const char *module)
{
    const char *slash = module != NULL ? strrchr(module, '/') : NULL;
    const char *name = slash != NULL ? slash + 1 : module;
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

const char *rw_code_place(struct rw_incident *incident, struct rw_symbols *symbols, uint64_t address,
                          bool is_return)
{
    struct rw_frame *frames = NULL;
    size_t count = 0;
    if (address == 0)
        return NULL;
    if (rw_symbols_frames(symbols, address, is_return, incident, &frames, &count) == 0) {
        const struct rw_frame *own = own_frame(frames, count);
        if (own != NULL)
            return talloc_asprintf(incident, "%s:%d in %s", own->file, own->line,
                                   own->function != NULL ? own->function : "?");
    }
    return rw_symbols_describe(symbols, address, incident);
}

void rw_fill_misuse_places(struct rw_incident *incident, struct rw_process_info *process,
                           struct rw_symbols *symbols)
{
    for (size_t i = 0; i < process->misuse_count; i++) {
        struct rw_misuse_info *misuse = &process->misuses[i];
        const char *variable = NULL, *module = NULL;
        bool is_late = strcmp(misuse->kind, "late-thread") == 0;
        misuse->where = rw_code_place(incident, symbols, misuse->address, true);
        misuse->other_where = rw_code_place(incident, symbols, misuse->other_address, !is_late);
        if (misuse->object != 0 && strncmp(misuse->kind, "join-", 5) != 0 &&
            strncmp(misuse->kind, "detach-", 7) != 0 &&
            rw_symbols_data(symbols, misuse->object, incident, &variable, &module) == 0)
            misuse->variable = variable;
    }
}
