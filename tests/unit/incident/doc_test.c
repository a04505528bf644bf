/* SPDX-License-Identifier: MIT */
/*
 * docs/incident-json.md against the table that JSON is written and read by: each field is told, with its
 * type, and nothing is told that is not there.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <talloc.h>

#include "tools/incident/json_fields.h"

#define DOC "docs/incident-json.md"

/* Which part of the document tells the fields of the records that are reached by a name. */
static const struct {
    const char *name, *heading;
} sections[] = {
    {"verdict", "\n### verdict, also[]\n"},
    {"also", "\n### verdict, also[]\n"},
    {"processes", "\n### processes[]\n"},
    {"threads", "\n### threads[]\n"},
    {"waits_on", "\n### waits_on\n"},
    {"channels", "\n### channels[]\n"},
    {"native", "\n### native[]\n"},
    {"python", "\n### python[]\n"},
    {"interpreters", "\n### interpreters[]\n"},
    {"history", "\n### history[]\n"},
    {"tasks", "\n### tasks[]\n"},
    {"pending_signals", "\n### pending_signals[]\n"},
    {"failed_children", "\n### failed_children[]\n"},
    {"crash", "\n### crash\n"},
    {"lock_edges", "\n### lock_edges[]\n"},
    {"from_place", "\n### from_place, to_place\n"},
    {"to_place", "\n### from_place, to_place\n"},
    {"misuses", "\n### misuses[]\n"},
    {"tests", "\n### tests[]\n"},
    {"frames", "\n### python[]\n"},
};

/* The word that stands for it in the document. */
static const char *const type_words[] = {
    [RW_FIELD_STRING] = "string",         [RW_FIELD_BOOL] = "boolean",
    [RW_FIELD_TRISTATE] = "boolean",      [RW_FIELD_INT] = "number",
    [RW_FIELD_INT_M1] = "number",         [RW_FIELD_INT64_M1] = "number",
    [RW_FIELD_UINT32] = "number",         [RW_FIELD_NUMBER] = "number",
    [RW_FIELD_ADDRESS] = "address",       [RW_FIELD_TIME] = "time",
    [RW_FIELD_REAL] = "number",           [RW_FIELD_REAL_M1] = "number",
    [RW_FIELD_CHARACTER] = "string",      [RW_FIELD_CERTAINTY] = "string",
    [RW_FIELD_RECORD] = "object",         [RW_FIELD_RECORD_PTR] = "object",
    [RW_FIELD_ARRAY] = "array",           [RW_FIELD_STRINGS] = "array of strings",
    [RW_FIELD_INTS] = "array of numbers",
};

static char *document;

static int read_document(void **state)
{
    FILE *file = fopen(DOC, "r");
    size_t length = 0;

    (void)state;
    if (!file || getdelim(&document, &length, '\0', file) < 0)
        return -1;
    return fclose(file);
}

static int free_document(void **state)
{
    (void)state;
    free(document);
    return 0;
}

/* A copy of a part, from its heading to the next one; NULL if there is none. */
static char *section(void *ctx, const char *heading)
{
    const char *begin = strstr(document, heading), *end;

    if (!begin)
        return NULL;
    begin += strlen(heading);
    end = strstr(begin, "\n##");
    return end ? talloc_strndup(ctx, begin, (size_t)(end - begin)) : talloc_strdup(ctx, begin);
}

/* The table's row with the name in its first column; a copy. */
static char *row_of(void *ctx, const char *text, const char *name)
{
    char *quoted = talloc_asprintf(ctx, "`%s`", name);

    for (const char *line = text; line && *line;) {
        const char *end = strchr(line, '\n');
        char *row = end ? talloc_strndup(ctx, line, (size_t)(end - line)) : talloc_strdup(ctx, line);
        const char *found = strstr(row, quoted), *column = row[0] == '|' ? strchr(row + 1, '|') : NULL;

        if (found && column && found < column)
            return row;
        line = end ? end + 1 : NULL;
    }
    return NULL;
}

static const char *heading_of(const char *name)
{
    for (size_t i = 0; i < sizeof sections / sizeof *sections; i++)
        if (strcmp(sections[i].name, name) == 0)
            return sections[i].heading;
    return NULL;
}

static int missing;

static void complain(const char *path, const char *what)
{
    print_error("%s: %s\n", path, what);
    missing++;
}

/* `text` tells the record's fields in rows of their own; `row`, where there is no such part, by name alone.
 */
static void walk(void *ctx, const struct rw_record *record, const char *path, const char *text,
                 const char *row)
{
    for (const struct rw_field *field = record->fields; field->name; field++) {
        char *where = talloc_asprintf(ctx, "%s.%s", path, field->name);
        char *own = text ? row_of(ctx, text, field->name) : NULL;
        const char *heading = heading_of(field->name);

        if (!text && !strstr(row, talloc_asprintf(ctx, "`%s`", field->name)))
            complain(where, "is not told");
        if (text && !own)
            complain(where, "has no row");
        if (own && !strstr(strchr(own + 1, '|'), type_words[field->type]))
            complain(where, talloc_asprintf(ctx, "is of type %s", type_words[field->type]));
        /* Frames of tasks are frames; a record is walked where it is told. */
        if (field->record && heading && !section(ctx, heading))
            complain(where, "has no part of its own");
        else if (field->record && heading)
            walk(ctx, field->record, where, section(ctx, heading), NULL);
        else if (field->record && own)
            walk(ctx, field->record, where, NULL, own);
    }
}

static void every_field_is_told_with_its_type(void **state)
{
    void *ctx = talloc_new(NULL);

    (void)state;
    missing = 0;
    walk(ctx, &rw_incident_record, "incident", section(ctx, "\n## The incident\n"), NULL);
    talloc_free(ctx);
    assert_int_equal(missing, 0);
}

static const struct rw_record *record_of(const struct rw_record *record, const char *name)
{
    for (const struct rw_field *field = record->fields; field->name; field++) {
        const struct rw_record *found = NULL;

        if (field->record && strcmp(field->name, name) == 0)
            return field->record;
        if (field->record)
            found = record_of(field->record, name);
        if (found)
            return found;
    }
    return NULL;
}

static bool has_field(const struct rw_record *record, const char *name, size_t length)
{
    for (const struct rw_field *field = record->fields; field->name; field++)
        if (strlen(field->name) == length && strncmp(field->name, name, length) == 0)
            return true;
    return false;
}

/* The names in the first column of the part's table. */
static void check_names(const struct rw_record *record, const char *heading, const char *text)
{
    for (const char *line = text; line; line = strchr(line, '\n')) {
        const char *end;

        line += *line == '\n';
        end = line[0] == '|' ? strchr(line + 1, '|') : NULL;
        for (const char *name = end ? strchr(line, '`') : NULL; name && name < end;) {
            const char *close = strchr(name + 1, '`');

            if (!has_field(record, name + 1, (size_t)(close - name - 1)))
                complain(heading, talloc_asprintf(NULL, "there is no %.*s", (int)(close - name + 1), name));
            name = strchr(close + 1, '`');
        }
    }
}

static void nothing_is_told_that_is_not_there(void **state)
{
    void *ctx = talloc_new(NULL);

    (void)state;
    missing = 0;
    check_names(&rw_incident_record, "The incident", section(ctx, "\n## The incident\n"));
    for (size_t i = 0; i < sizeof sections / sizeof *sections; i++) {
        const struct rw_record *record = record_of(&rw_incident_record, sections[i].name);
        char *text = section(ctx, sections[i].heading);

        if (record && text)
            check_names(record, sections[i].heading, text);
    }
    talloc_free(ctx);
    assert_int_equal(missing, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_field_is_told_with_its_type),
        cmocka_unit_test(nothing_is_told_that_is_not_there),
    };

    return cmocka_run_group_tests(tests, read_document, free_document);
}
