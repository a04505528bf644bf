/* SPDX-License-Identifier: MIT */
#include "tools/incident/json.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <talloc.h>

#include "tools/incident/json_fields.h"
#include "tools/incident/model.h"
#include "tools/incident/utf8.h"

static json_t *write_record(const struct rw_record *record, const void *structure, uint64_t now_ns);

static json_t *need(json_t *json)
{
    if (json == NULL)
        abort();
    return json;
}

static json_t *write_string(const char *text)
{
    char *escaped;
    json_t *json;

    if (!text)
        return NULL;
    escaped = rw_utf8_escape(NULL, text);
    json = need(json_string_nocheck(escaped));
    talloc_free(escaped);
    return json;
}

static json_t *write_address(uint64_t address)
{
    return address ? need(json_sprintf("0x%llx", (unsigned long long)address)) : NULL;
}

/* A JSON integer is signed in most readers: what does not fit goes as hex, which reading takes back. */
static json_t *write_number(uint64_t number)
{
    return number > INT64_MAX ? write_address(number) : need(json_integer((json_int_t)number));
}

/* Whatever JSON has no word for (a NaN from a division elsewhere) is not known. */
static json_t *write_real(double real)
{
    return isfinite(real) ? need(json_real(real)) : NULL;
}

static json_t *write_array(const struct rw_field *field, const void *elements, size_t count, uint64_t now_ns)
{
    json_t *array = need(json_array());

    for (size_t i = 0; i < count; i++) {
        json_t *element;

        if (field->type == RW_FIELD_STRINGS)
            element = write_string(((const char *const *)elements)[i]);
        else if (field->type == RW_FIELD_INTS)
            element = need(json_integer(((const int *)elements)[i]));
        else
            element = write_record(field->record, (const char *)elements + i * field->record->size, now_ns);
        json_array_append_new(array, element ? element : json_null());
    }
    return array;
}

/* The member as JSON, NULL where it is not known. */
static json_t *write_field(const struct rw_field *field, const void *member, uint64_t now_ns, size_t count)
{
    switch (field->type) {
    case RW_FIELD_STRING:
        return write_string(*(const char *const *)member);
    case RW_FIELD_BOOL:
        return json_boolean(*(const bool *)member);
    case RW_FIELD_TRISTATE:
        return *(const int *)member < 0 ? NULL : json_boolean(*(const int *)member);
    case RW_FIELD_INT:
        return *(const int *)member || field->always ? need(json_integer(*(const int *)member)) : NULL;
    case RW_FIELD_INT_M1:
        return *(const int *)member != -1 ? need(json_integer(*(const int *)member)) : NULL;
    case RW_FIELD_INT64_M1:
        return *(const int64_t *)member != -1 ? need(json_integer(*(const int64_t *)member)) : NULL;
    case RW_FIELD_UINT32:
        return *(const uint32_t *)member ? need(json_integer(*(const uint32_t *)member)) : NULL;
    case RW_FIELD_NUMBER:
        return *(const uint64_t *)member ? write_number(*(const uint64_t *)member) : NULL;
    case RW_FIELD_ADDRESS:
        return write_address(*(const uint64_t *)member);
    case RW_FIELD_REAL:
        return *(const double *)member != 0 ? write_real(*(const double *)member) : NULL;
    case RW_FIELD_REAL_M1:
        return *(const double *)member != -1 ? write_real(*(const double *)member) : NULL;
    case RW_FIELD_CHARACTER: {
        const char text[2] = {*(const char *)member, '\0'};
        return text[0] ? write_string(text) : NULL;
    }
    case RW_FIELD_CERTAINTY:
        return write_string(rw_certainty_name(*(const enum rw_certainty *)member));
    case RW_FIELD_RECORD:
        return write_record(field->record, member, now_ns);
    case RW_FIELD_RECORD_PTR:
        return *(const void *const *)member
                   ? write_record(field->record, *(const void *const *)member, now_ns)
                   : NULL;
    case RW_FIELD_ARRAY:
    case RW_FIELD_STRINGS:
    case RW_FIELD_INTS:
        return write_array(field, *(const void *const *)member, count, now_ns);
    case RW_FIELD_TIME:
        break; /* two names: see write_time */
    }
    return NULL;
}

static void put(json_t *object, const struct rw_field *field, const char *suffix, json_t *value)
{
    char name[64];

    if (!value && field->always)
        value = json_null();
    if (!value)
        return;
    snprintf(name, sizeof name, "%s%s", field->name, suffix);
    json_object_set_new_nocheck(object, name, value);
}

static void write_time(json_t *object, const struct rw_field *field, uint64_t time_ns, uint64_t now_ns)
{
    /* Signed: a thread may have gone on after the moment of the incident was taken. Whole microseconds:
     * what lies beyond them in a double is noise. */
    int64_t ago_us = (int64_t)(now_ns - time_ns) / 1000;

    put(object, field, "_s", time_ns ? need(json_real((double)ago_us / 1e6)) : NULL);
    put(object, field, "_ns", time_ns ? write_number(time_ns) : NULL);
}

static json_t *write_record(const struct rw_record *record, const void *structure, uint64_t now_ns)
{
    json_t *object = need(json_object());

    for (const struct rw_field *field = record->fields; field->name; field++) {
        const void *member = (const char *)structure + field->offset;
        size_t count = 0;

        if (field->type == RW_FIELD_TIME) {
            write_time(object, field, *(const uint64_t *)member, now_ns);
            continue;
        }
        if (field->unless_offset && *(const int *)((const char *)structure + field->unless_offset)) {
            put(object, field, "", need(json_array()));
            continue;
        }
        if (field->count_offset)
            count = *(const size_t *)((const char *)structure + field->count_offset);
        put(object, field, "", write_field(field, member, now_ns, count));
    }
    return object;
}

json_t *rw_incident_to_json(const struct rw_incident *incident)
{
    return write_record(&rw_incident_record, incident, incident->now_ns);
}

json_t *rw_test_account_to_json(const struct rw_test_account *account, uint64_t now_ns)
{
    return write_record(&rw_test_account_record, account, now_ns);
}

int rw_incident_write(const struct rw_incident *incident, FILE *file)
{
    json_t *json = rw_incident_to_json(incident);
    int result;

    errno = 0;
    result = json_dumpf(json, file, RW_JSON_FLAGS);
    json_decref(json);
    if (result == 0 && fputc('\n', file) != EOF && fflush(file) == 0)
        return 0;
    return errno ? -errno : -EIO;
}
