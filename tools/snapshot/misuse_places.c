/* SPDX-License-Identifier: MIT */
#include "tools/snapshot/misuse_places.h"

#include <string.h>
#include <talloc.h>

#include "tools/snapshot/code_place.h"
#include "tools/snapshot/symbols.h"

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
