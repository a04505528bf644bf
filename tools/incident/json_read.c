/* SPDX-License-Identifier: MIT */
#include "tools/incident/json.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <talloc.h>
#include <unistd.h>

#include "tools/basics/files.h"
#include "tools/incident/fold.h"
#include "tools/incident/json_fields.h"
#include "tools/incident/model.h"
#include "tools/incident/thread_index.h"

/* Where reading is, for the message; and what all parts need. */
struct reader {
    struct rw_incident *incident;
    void *parent;
    char *why;
    uint64_t now_ns;
};

/* A place in the document: a chain on the stack, from the inside to the outside. */
struct place {
    const struct place *outer;
    const char *name;
    size_t index; /* SIZE_MAX: not an element of an array */
};

static bool read_record(struct reader *reader, const struct rw_record *record, const json_t *json,
                        void *structure, const struct place *place);

static char *place_text(void *ctx, const struct place *place)
{
    char *outer = place->outer ? place_text(ctx, place->outer) : NULL;
    const char *dot = outer ? "." : "";

    if (place->index == SIZE_MAX)
        return talloc_asprintf(ctx, "%s%s%s", outer ? outer : "", dot, place->name);
    return talloc_asprintf(ctx, "%s%s%s[%zu]", outer ? outer : "", dot, place->name, place->index);
}

static bool refuse(struct reader *reader, const struct place *place, const char *message)
{
    char *where = place_text(reader->incident, place);

    reader->why =
        talloc_asprintf(reader->parent, "not an incident that this program can read: %s %s", where, message);
    return false;
}

static bool read_string(struct reader *reader, const json_t *json, const char **out,
                        const struct place *place)
{
    if (!json_is_string(json))
        return refuse(reader, place, "is not a string");
    if (strlen(json_string_value(json)) != json_string_length(json))
        return refuse(reader, place, "holds a NUL character");
    *out = talloc_strdup(reader->incident, json_string_value(json));
    if (!*out)
        abort();
    return true;
}

static bool read_integer(struct reader *reader, const json_t *json, int64_t low, int64_t high, int64_t *out,
                         const struct place *place)
{
    if (!json_is_integer(json))
        return refuse(reader, place, "is not a whole number");
    *out = json_integer_value(json);
    if (*out < low || *out > high)
        return refuse(reader, place, "is out of range");
    return true;
}

/* A number that is not negative: 12, or "0xc" where it is an address or too large for JSON. */
static bool read_number(struct reader *reader, const json_t *json, uint64_t *out, const struct place *place)
{
    int64_t number = 0;

    if (json_is_string(json)) {
        const char *text = json_string_value(json);
        char *end;

        if (text[0] != '0' || text[1] != 'x' || text[2] == '\0' ||
            strspn(text + 2, "0123456789abcdefABCDEF") > 16)
            return refuse(reader, place, "is not an address such as \"0x1f\"");
        *out = strtoull(text + 2, &end, 16);
        return *end == '\0' || refuse(reader, place, "is not an address such as \"0x1f\"");
    }
    if (!read_integer(reader, json, 0, INT64_MAX, &number, place))
        return false;
    *out = (uint64_t)number;
    return true;
}

static bool read_array(struct reader *reader, const struct rw_field *field, const json_t *json,
                       void *structure, const struct place *place)
{
    size_t length = json_array_size(json);
    size_t *count = (size_t *)((char *)structure + field->count_offset);
    size_t size = field->type == RW_FIELD_STRINGS ? sizeof(char *)
                  : field->type == RW_FIELD_INTS  ? sizeof(int)
                                                  : field->record->size;
    char *elements;

    if (!json_is_array(json))
        return refuse(reader, place, "is not an array");
    if (field->type == RW_FIELD_INTS && length != *count)
        return refuse(reader, place, "is not as long as the array that it belongs to");
    if (length == 0)
        return true;
    elements = talloc_array_size(reader->incident, size, (unsigned)length);
    if (!elements)
        abort();
    memset(elements, 0, size * length);
    *(void **)((char *)structure + field->offset) = elements;
    *count = length;
    for (size_t i = 0; i < length; i++) {
        const struct place element_place = {place->outer, place->name, i};
        const json_t *element = json_array_get(json, i);
        int64_t number = 0;
        bool ok;

        if (field->type == RW_FIELD_STRINGS) {
            ok = read_string(reader, element, &((const char **)(void *)elements)[i], &element_place);
        } else if (field->type == RW_FIELD_INTS) {
            ok = read_integer(reader, element, INT_MIN, INT_MAX, &number, &element_place);
            ((int *)(void *)elements)[i] = (int)number;
        } else {
            ok = read_record(reader, field->record, element, elements + i * size, &element_place);
        }
        if (!ok)
            return false;
    }
    return true;
}

static bool read_bool(struct reader *reader, const json_t *json, bool *out, const struct place *place)
{
    if (!json_is_boolean(json))
        return refuse(reader, place, "is neither true nor false");
    *out = json_boolean_value(json);
    return true;
}

static bool read_real(struct reader *reader, const json_t *json, double *out, const struct place *place)
{
    if (!json_is_number(json))
        return refuse(reader, place, "is not a number");
    *out = json_number_value(json);
    return true;
}

static bool read_field(struct reader *reader, const struct rw_field *field, const json_t *json,
                       void *structure, const struct place *place)
{
    void *member = (char *)structure + field->offset;
    const char *text = NULL;
    int64_t number = 0;
    bool truth = false;

    switch (field->type) {
    case RW_FIELD_STRING:
        return read_string(reader, json, member, place);
    case RW_FIELD_BOOL:
        return read_bool(reader, json, member, place);
    case RW_FIELD_TRISTATE:
        if (!read_bool(reader, json, &truth, place))
            return false;
        *(int *)member = truth;
        return true;
    case RW_FIELD_INT:
    case RW_FIELD_INT_M1:
        if (!read_integer(reader, json, INT_MIN, INT_MAX, &number, place))
            return false;
        *(int *)member = (int)number;
        return true;
    case RW_FIELD_INT64_M1:
        return read_integer(reader, json, INT64_MIN, INT64_MAX, member, place);
    case RW_FIELD_UINT32:
        if (!read_integer(reader, json, 0, UINT32_MAX, &number, place))
            return false;
        *(uint32_t *)member = (uint32_t)number;
        return true;
    case RW_FIELD_NUMBER:
    case RW_FIELD_ADDRESS:
        return read_number(reader, json, member, place);
    case RW_FIELD_REAL:
    case RW_FIELD_REAL_M1:
        return read_real(reader, json, member, place);
    case RW_FIELD_CHARACTER:
        if (!read_string(reader, json, &text, place))
            return false;
        *(char *)member = text[0];
        return text[0] == '\0' || text[1] == '\0' || refuse(reader, place, "is more than one character");
    case RW_FIELD_CERTAINTY:
        if (!read_string(reader, json, &text, place))
            return false;
        *(enum rw_certainty *)member = rw_certainty_of(text);
        return true;
    case RW_FIELD_RECORD:
        return read_record(reader, field->record, json, member, place);
    case RW_FIELD_RECORD_PTR: {
        void *record = talloc_zero_size(reader->incident, field->record->size);

        if (!record)
            abort();
        *(void **)member = record;
        return read_record(reader, field->record, json, record, place);
    }
    case RW_FIELD_ARRAY:
    case RW_FIELD_STRINGS:
    case RW_FIELD_INTS:
        return read_array(reader, field, json, structure, place);
    case RW_FIELD_TIME:
        break; /* two names: see read_time */
    }
    return true;
}

static void set_unknown(const struct rw_field *field, void *member)
{
    if (field->type == RW_FIELD_TRISTATE || field->type == RW_FIELD_INT_M1)
        *(int *)member = -1;
    else if (field->type == RW_FIELD_INT64_M1)
        *(int64_t *)member = -1;
    else if (field->type == RW_FIELD_REAL_M1)
        *(double *)member = -1;
}

/* NAME_ns; where that is missing NAME_s will do, so that a document written by hand needs no clock. */
static bool read_time(struct reader *reader, const struct rw_field *field, const json_t *json, uint64_t *out,
                      const struct place *place)
{
    char name[64];
    const json_t *value;
    double ago_s = 0, ago_ns;

    snprintf(name, sizeof name, "%s_ns", field->name);
    value = json_object_get(json, name);
    if (value && !json_is_null(value))
        return read_number(reader, value, out, &(const struct place){place, name, SIZE_MAX});
    snprintf(name, sizeof name, "%s_s", field->name);
    value = json_object_get(json, name);
    if (!value || json_is_null(value))
        return true;
    if (!read_real(reader, value, &ago_s, &(const struct place){place, name, SIZE_MAX}))
        return false;
    ago_ns = (double)reader->now_ns - ago_s * 1e9;
    if (!(ago_ns >= 1 && ago_ns < 0x1p63))
        return refuse(reader, &(const struct place){place, name, SIZE_MAX}, "is out of range");
    *out = (uint64_t)llrint(ago_ns);
    return true;
}

/* `structure` is zeroed. Depth is bounded by the tables, which do not recurse. */
static bool read_record(struct reader *reader, const struct rw_record *record, const json_t *json,
                        void *structure, const struct place *place)
{
    if (!json_is_object(json))
        return refuse(reader, place, "is not an object");
    for (const struct rw_field *field = record->fields; field->name; field++) {
        const struct place inner = {place->outer || place->name[0] ? place : NULL, field->name, SIZE_MAX};
        const json_t *value = json_object_get(json, field->name);
        void *member = (char *)structure + field->offset;

        set_unknown(field, member);
        if (field->type == RW_FIELD_TIME) {
            if (!read_time(reader, field, json, member, inner.outer))
                return false;
            continue;
        }
        if (!value || json_is_null(value)) {
            if (field->type == RW_FIELD_INTS && *(size_t *)((char *)structure + field->count_offset))
                return refuse(reader, &inner, "is missing");
            continue;
        }
        if (!read_field(reader, field, value, structure, &inner))
            return false;
    }
    return true;
}

bool rw_test_account_from_json(struct rw_incident *incident, const json_t *json,
                               struct rw_test_account *account)
{
    struct reader reader = {.incident = incident, .parent = incident, .now_ns = incident->now_ns};

    *account = (struct rw_test_account){0};
    return read_record(&reader, &rw_test_account_record, json, account,
                       &(const struct place){NULL, "", SIZE_MAX});
}

struct rw_incident *rw_incident_from_json(void *parent, const json_t *json, char **why)
{
    struct reader reader = {.incident = rw_incident_new(parent), .parent = parent};
    const json_t *schema = json_object_get(json, "schema");
    const json_t *now = json_object_get(json, "now_ns");
    struct rw_incident zero = {0};

    if (!json_is_object(json) || !json_is_integer(schema)) {
        reader.why = talloc_strdup(parent, "not an incident: there is no \"schema\" number at its top");
    } else if (json_integer_value(schema) != RW_INCIDENT_SCHEMA) {
        reader.why = talloc_asprintf(parent,
                                     "the incident was written with schema %" JSON_INTEGER_FORMAT
                                     ", this program reads schema %d: use the racewatch that wrote it",
                                     json_integer_value(schema), RW_INCIDENT_SCHEMA);
    } else {
        *reader.incident = zero;
        reader.now_ns =
            json_is_integer(now) && json_integer_value(now) > 0 ? (uint64_t)json_integer_value(now) : 0;
        if (read_record(&reader, &rw_incident_record, json, reader.incident,
                        &(const struct place){NULL, "", SIZE_MAX})) {
            rw_incident_index_threads(reader.incident);
            rw_incident_unfold(reader.incident);
            return reader.incident;
        }
    }
    talloc_free(reader.incident);
    if (!reader.why)
        abort();
    *why = reader.why;
    return NULL;
}

struct rw_incident *rw_incident_read(void *parent, const char *path, int flags, char **why)
{
    json_error_t error;
    json_t *json;
    struct rw_incident *incident;
    char *reason = NULL;

    int fd = rw_open_regular(AT_FDCWD, path, flags);
    FILE *file = fd < 0 ? NULL : fdopen(fd, "r");
    if (!file) {
        *why = talloc_asprintf(parent, "%s: %s", path,
                               fd == -EINVAL  ? "not a regular file"
                               : fd == -ELOOP ? "a symbolic link"
                                              : strerror(fd < 0 ? -fd : ENOMEM));
        if (fd >= 0)
            close(fd);
        return NULL;
    }
    json = json_loadf(file, JSON_REJECT_DUPLICATES, &error);
    fclose(file);
    if (!json) {
        *why = talloc_asprintf(parent, "%s: not JSON: %s (line %d, column %d)", path, error.text, error.line,
                               error.column);
        return NULL;
    }
    incident = rw_incident_from_json(parent, json, &reason);
    json_decref(json);
    if (!incident)
        *why = talloc_asprintf(parent, "%s: %s", path, reason);
    return incident;
}
