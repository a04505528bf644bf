/* SPDX-License-Identifier: MIT */
/* Memory that must be there: an incident with holes that nobody knows of would be wrong
 * (tools/incident/model.h). */
#ifndef RACEWATCH_TOOLS_BASICS_NEED_H
#define RACEWATCH_TOOLS_BASICS_NEED_H

#include <stdlib.h>

/* `memory`, which an allocation returned; abort() where it is NULL. */
static inline void *rw_need(void *memory)
{
    if (memory == NULL)
        abort();
    return memory;
}

#endif
