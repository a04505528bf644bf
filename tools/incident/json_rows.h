/* SPDX-License-Identifier: MIT */
/* How the rows of a record's table are written: THIS is the structure whose members they name. For the files
 * that define the tables of json_fields.h. */
#ifndef RACEWATCH_TOOLS_INCIDENT_JSON_ROWS_H
#define RACEWATCH_TOOLS_INCIDENT_JSON_ROWS_H

#include "tools/incident/json_fields.h"

/* A row: its name, how it is written, the member. KEEP: null where not known. */
#define ROW(name, type, member)                                                                              \
    {                                                                                                        \
        name, RW_FIELD_##type, offsetof(struct THIS, member), false, 0, 0, NULL                              \
    }
#define KEEP(name, type, member)                                                                             \
    {                                                                                                        \
        name, RW_FIELD_##type, offsetof(struct THIS, member), true, 0, 0, NULL                               \
    }
#define INSIDE(name, member, table)                                                                          \
    {                                                                                                        \
        name, RW_FIELD_RECORD, offsetof(struct THIS, member), true, 0, 0, &table                             \
    }
#define POINTER(name, member, table)                                                                         \
    {                                                                                                        \
        name, RW_FIELD_RECORD_PTR, offsetof(struct THIS, member), true, 0, 0, &table                         \
    }
/* Written elsewhere where the int `unless` is not 0. */
#define MANY_UNLESS(name, member, count, table, unless)                                                      \
    {                                                                                                        \
        name, RW_FIELD_ARRAY, offsetof(struct THIS, member), true, offsetof(struct THIS, count),             \
            offsetof(struct THIS, unless), &table                                                            \
    }
#define MANY(name, member, count, table)                                                                     \
    {                                                                                                        \
        name, RW_FIELD_ARRAY, offsetof(struct THIS, member), true, offsetof(struct THIS, count), 0, &table   \
    }
#define LIST(name, type, member, count)                                                                      \
    {                                                                                                        \
        name, RW_FIELD_##type, offsetof(struct THIS, member), true, offsetof(struct THIS, count), 0, NULL    \
    }
#define END                                                                                                  \
    {                                                                                                        \
        NULL, 0, 0, false, 0, 0, NULL                                                                        \
    }
#define RECORD(name, fields) static const struct rw_record name = {sizeof(struct THIS), fields}

#endif
