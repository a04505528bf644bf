/* SPDX-License-Identifier: MIT */
/*
 * JSON goes out as text, member by member, laid out as jansson does it with RW_JSON_FLAGS. As a tree first,
 * an incident of ten thousand threads would take the monitor several times the memory of its text. What needs
 * more than digits or plain letters is jansson's to write.
 */
#include "tools/incident/json.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <talloc.h>

#include "tools/incident/json_fields.h"
#include "tools/incident/model.h"
#include "tools/incident/utf8.h"

/* An error of the file shows at the end. */
struct writer {
    FILE *file;
    uint64_t now_ns;
    unsigned depth;
};

static void write_record(struct writer *writer, const struct rw_record *record, const void *structure);

static void put(struct writer *writer, const char *text, size_t length)
{
    fwrite_unlocked(text, 1, length, writer->file);
}

static void put_char(struct writer *writer, char character)
{
    putc_unlocked(character, writer->file);
}

static void new_line(struct writer *writer)
{
    put_char(writer, '\n');
    for (unsigned i = 0; i < writer->depth; i++)
        put_char(writer, ' ');
}

/* Begins an object or array, and each of its elements, and ends it: an empty one has no lines. */
static void begin(struct writer *writer, char bracket)
{
    put_char(writer, bracket);
    writer->depth++;
}

static void next(struct writer *writer, size_t *count)
{
    if ((*count)++)
        put_char(writer, ',');
    new_line(writer);
}

static void end(struct writer *writer, char bracket, size_t count)
{
    writer->depth--;
    if (count)
        new_line(writer);
    put_char(writer, bracket);
}

static void write_by_library(struct writer *writer, json_t *json)
{
    if (json == NULL)
        abort();
    json_dumpf(json, writer->file, RW_JSON_FLAGS | JSON_ENCODE_ANY);
    json_decref(json);
}

static void write_string(struct writer *writer, const char *text)
{
    size_t plain = 0;

    while (text[plain] >= ' ' && text[plain] <= '~' && text[plain] != '"' && text[plain] != '\\')
        plain++;
    if (text[plain] == '\0') {
        put_char(writer, '"');
        put(writer, text, plain);
        put_char(writer, '"');
        return;
    }
    char *escaped = rw_utf8_escape(NULL, text);
    write_by_library(writer, json_string_nocheck(escaped));
    talloc_free(escaped);
}

static void __attribute__((format(printf, 2, 3))) write_format(struct writer *writer, const char *format, ...)
{
    char text[32];
    va_list arguments;

    va_start(arguments, format);
    int length = vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    put(writer, text, (size_t)length);
}

static void write_address(struct writer *writer, uint64_t address)
{
    write_format(writer, "\"0x%" PRIx64 "\"", address);
}

/* A JSON integer is signed in most readers: what does not fit goes as hex, which reading takes back. */
static void write_number(struct writer *writer, uint64_t number)
{
    if (number > INT64_MAX)
        write_address(writer, number);
    else
        write_format(writer, "%" PRIu64, number);
}

static void write_truth(struct writer *writer, bool truth)
{
    put(writer, truth ? "true" : "false", truth ? 4 : 5);
}

static void write_null(struct writer *writer)
{
    put(writer, "null", 4);
}

static void write_array(struct writer *writer, const struct rw_field *field, const void *elements,
                        size_t count)
{
    size_t written = 0;

    begin(writer, '[');
    for (size_t i = 0; i < count; i++) {
        next(writer, &written);
        if (field->type == RW_FIELD_INTS)
            write_format(writer, "%d", ((const int *)elements)[i]);
        else if (field->type != RW_FIELD_STRINGS)
            write_record(writer, field->record, (const char *)elements + i * field->record->size);
        else if (((const char *const *)elements)[i])
            write_string(writer, ((const char *const *)elements)[i]);
        else
            write_null(writer);
    }
    end(writer, ']', written);
}

/* Whether there is something to tell. Whatever JSON has no word for (a NaN from a division elsewhere) is not
 * known. */
static bool is_known(const struct rw_field *field, const void *member)
{
    switch (field->type) {
    case RW_FIELD_STRING:
    case RW_FIELD_RECORD_PTR:
        return *(const void *const *)member != NULL;
    case RW_FIELD_TRISTATE:
        return *(const int *)member >= 0;
    case RW_FIELD_INT:
        return *(const int *)member != 0 || field->always;
    case RW_FIELD_INT_M1:
        return *(const int *)member != -1;
    case RW_FIELD_INT64_M1:
        return *(const int64_t *)member != -1;
    case RW_FIELD_UINT32:
        return *(const uint32_t *)member != 0;
    case RW_FIELD_NUMBER:
    case RW_FIELD_ADDRESS:
    case RW_FIELD_TIME:
        return *(const uint64_t *)member != 0;
    case RW_FIELD_REAL:
        return *(const double *)member != 0 && isfinite(*(const double *)member);
    case RW_FIELD_REAL_M1:
        return *(const double *)member != -1 && isfinite(*(const double *)member);
    case RW_FIELD_CHARACTER:
        return *(const char *)member != '\0';
    case RW_FIELD_BOOL:
    case RW_FIELD_CERTAINTY:
    case RW_FIELD_RECORD:
    case RW_FIELD_ARRAY:
    case RW_FIELD_STRINGS:
    case RW_FIELD_INTS:
        break;
    }
    return true;
}

/* A member that is known. */
static void write_member(struct writer *writer, const struct rw_field *field, const void *structure)
{
    const void *member = (const char *)structure + field->offset;

    switch (field->type) {
    case RW_FIELD_STRING:
        write_string(writer, *(const char *const *)member);
        break;
    case RW_FIELD_BOOL:
        write_truth(writer, *(const bool *)member);
        break;
    case RW_FIELD_TRISTATE:
        write_truth(writer, *(const int *)member);
        break;
    case RW_FIELD_INT:
    case RW_FIELD_INT_M1:
        write_format(writer, "%d", *(const int *)member);
        break;
    case RW_FIELD_INT64_M1:
        write_format(writer, "%" PRId64, *(const int64_t *)member);
        break;
    case RW_FIELD_UINT32:
        write_format(writer, "%" PRIu32, *(const uint32_t *)member);
        break;
    case RW_FIELD_NUMBER:
        write_number(writer, *(const uint64_t *)member);
        break;
    case RW_FIELD_ADDRESS:
        write_address(writer, *(const uint64_t *)member);
        break;
    case RW_FIELD_REAL:
    case RW_FIELD_REAL_M1:
        write_by_library(writer, json_real(*(const double *)member));
        break;
    case RW_FIELD_CHARACTER:
        write_string(writer, (const char[]){*(const char *)member, '\0'});
        break;
    case RW_FIELD_CERTAINTY:
        write_string(writer, rw_certainty_name(*(const enum rw_certainty *)member));
        break;
    case RW_FIELD_RECORD:
        write_record(writer, field->record, member);
        break;
    case RW_FIELD_RECORD_PTR:
        write_record(writer, field->record, *(const void *const *)member);
        break;
    case RW_FIELD_ARRAY:
    case RW_FIELD_STRINGS:
    case RW_FIELD_INTS: {
        bool is_elsewhere =
            field->unless_offset && *(const int *)((const char *)structure + field->unless_offset);
        size_t count = *(const size_t *)((const char *)structure + field->count_offset);
        write_array(writer, field, *(const void *const *)member, is_elsewhere ? 0 : count);
        break;
    }
    case RW_FIELD_TIME:
        break; /* two names: see write_time */
    }
}

/* The name of a member; false where it is not known, and then it was told as null, or is not told. */
static bool write_name(struct writer *writer, const struct rw_field *field, const char *suffix,
                       const void *member, size_t *written)
{
    bool is_there = is_known(field, member);

    if (!is_there && !field->always)
        return false;
    next(writer, written);
    put_char(writer, '"');
    put(writer, field->name, strlen(field->name));
    put(writer, suffix, strlen(suffix));
    put(writer, "\": ", 3);
    if (!is_there)
        write_null(writer);
    return is_there;
}

static void write_time(struct writer *writer, const struct rw_field *field, const void *member,
                       size_t *written)
{
    uint64_t time_ns = *(const uint64_t *)member;
    /* Signed: a thread may have gone on after the moment of the incident was taken. Whole microseconds:
     * what lies beyond them in a double is noise. */
    int64_t ago_us = (int64_t)(writer->now_ns - time_ns) / 1000;

    if (write_name(writer, field, "_s", member, written))
        write_by_library(writer, json_real((double)ago_us / 1e6));
    if (write_name(writer, field, "_ns", member, written))
        write_number(writer, time_ns);
}

static void write_record(struct writer *writer, const struct rw_record *record, const void *structure)
{
    size_t written = 0;

    begin(writer, '{');
    for (const struct rw_field *field = record->fields; field->name; field++) {
        const void *member = (const char *)structure + field->offset;

        if (field->type == RW_FIELD_TIME)
            write_time(writer, field, member, &written);
        else if (write_name(writer, field, "", member, &written))
            write_member(writer, field, structure);
    }
    end(writer, '}', written);
}

int rw_incident_write(const struct rw_incident *incident, FILE *file)
{
    struct writer writer = {.file = file, .now_ns = incident->now_ns};

    errno = 0;
    write_record(&writer, &rw_incident_record, incident);
    put_char(&writer, '\n');
    if (fflush(file) == 0 && !ferror(file))
        return 0;
    return errno ? -errno : -EIO;
}

/* For the few and small ones that become a part of another document. */
static json_t *tree_of(const struct rw_record *record, const void *structure, uint64_t now_ns)
{
    char *text = NULL;
    size_t length = 0;
    struct writer writer = {.file = open_memstream(&text, &length), .now_ns = now_ns};

    if (writer.file == NULL)
        abort();
    write_record(&writer, record, structure);
    if (fclose(writer.file) != 0)
        abort();
    json_t *json = json_loadb(text, length, 0, NULL);
    free(text);
    if (json == NULL)
        abort();
    return json;
}

json_t *rw_incident_to_json(const struct rw_incident *incident)
{
    return tree_of(&rw_incident_record, incident, incident->now_ns);
}

json_t *rw_test_account_to_json(const struct rw_test_account *account, uint64_t now_ns)
{
    return tree_of(&rw_test_account_record, account, now_ns);
}
