/* SPDX-License-Identifier: MIT */
/*
 * Which name in JSON is which member of the model: one table for writing and reading alike. Internal to
 * tools/incident.
 */
#ifndef RACEWATCH_TOOLS_INCIDENT_JSON_FIELDS_H
#define RACEWATCH_TOOLS_INCIDENT_JSON_FIELDS_H

#include <stdbool.h>
#include <stddef.h>

/* How a member is written. The value in parentheses is "not known". */
enum rw_field_type {
    RW_FIELD_STRING,     /* const char * (NULL) */
    RW_FIELD_BOOL,       /* bool, always written */
    RW_FIELD_TRISTATE,   /* int: 1, 0 (-1): true, false, left out */
    RW_FIELD_INT,        /* int (0) */
    RW_FIELD_INT_M1,     /* int (-1) */
    RW_FIELD_INT64_M1,   /* int64_t (-1) */
    RW_FIELD_UINT32,     /* uint32_t (0) */
    RW_FIELD_NUMBER,     /* uint64_t (0) */
    RW_FIELD_ADDRESS,    /* uint64_t (0), "0x.." */
    RW_FIELD_TIME,       /* uint64_t ns (0): NAME_ns and NAME_s */
    RW_FIELD_REAL,       /* double (0) */
    RW_FIELD_REAL_M1,    /* double (-1) */
    RW_FIELD_CHARACTER,  /* char (0): a string of one */
    RW_FIELD_CERTAINTY,  /* enum rw_certainty, always written */
    RW_FIELD_RECORD,     /* a structure inside, always written */
    RW_FIELD_RECORD_PTR, /* a structure of its own (NULL) */
    RW_FIELD_ARRAY,      /* of structures */
    RW_FIELD_STRINGS,    /* const char ** */
    RW_FIELD_INTS,       /* int *, as long as the array that its count belongs to */
};

struct rw_record;

struct rw_field {
    const char *name; /* without _ns and _s for a time */
    enum rw_field_type type;
    size_t offset;
    bool always;         /* null where not known, instead of left out */
    size_t count_offset; /* arrays */
    size_t
        unless_offset; /* of an int that, where it is not 0, says where else the array is written; 0: none */
    const struct rw_record *record;
};

struct rw_record {
    size_t size;
    const struct rw_field *fields; /* ends with a NULL name */
};

extern const struct rw_record rw_incident_record, rw_test_account_record;

#endif
