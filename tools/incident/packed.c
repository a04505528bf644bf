/* SPDX-License-Identifier: MIT */
#include "tools/incident/packed.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <talloc.h>
#include <uthash.h>

#include "tools/incident/fold.h"
#include "tools/incident/json_fields.h"
#include "tools/incident/model.h"
#include "tools/incident/thread_index.h"
#include "tools/incident/utf8.h"

/* Strings by number: 0 is none, and the first use of a number is followed by the string itself. */
struct numbered {
    uint32_t number;
    UT_hash_handle hh;
};

struct packer {
    FILE *file;
    void *scratch;
    struct numbered *strings;
    uint32_t count;
};

/* Bytes of a member that goes as it is; 0: it does not. */
static size_t plain_size(enum rw_field_type type)
{
    switch (type) {
    case RW_FIELD_BOOL:
        return sizeof(bool);
    case RW_FIELD_CHARACTER:
        return sizeof(char);
    case RW_FIELD_TRISTATE:
    case RW_FIELD_INT:
    case RW_FIELD_INT_M1:
        return sizeof(int);
    case RW_FIELD_CERTAINTY:
        return sizeof(enum rw_certainty);
    case RW_FIELD_UINT32:
        return sizeof(uint32_t);
    case RW_FIELD_INT64_M1:
    case RW_FIELD_NUMBER:
    case RW_FIELD_ADDRESS:
    case RW_FIELD_TIME:
        return sizeof(uint64_t);
    case RW_FIELD_REAL:
    case RW_FIELD_REAL_M1:
        return sizeof(double);
    case RW_FIELD_STRING:
    case RW_FIELD_RECORD:
    case RW_FIELD_RECORD_PTR:
    case RW_FIELD_ARRAY:
    case RW_FIELD_STRINGS:
    case RW_FIELD_INTS:
        return 0;
    }
    return 0;
}

static size_t element_size(const struct rw_field *field)
{
    return field->type == RW_FIELD_STRINGS ? sizeof(char *)
           : field->type == RW_FIELD_INTS  ? sizeof(int)
                                           : field->record->size;
}

/* An error of the file shows at the end. */
static void put(struct packer *packer, const void *bytes, size_t size)
{
    fwrite_unlocked(bytes, 1, size, packer->file);
}

static void put_number(struct packer *packer, uint32_t number)
{
    put(packer, &number, sizeof number);
}

static void pack_string(struct packer *packer, const char *text)
{
    struct numbered *string;

    if (!text) {
        put_number(packer, 0);
        return;
    }
    HASH_FIND(hh, packer->strings, text, strlen(text), string);
    if (string) {
        put_number(packer, string->number);
        return;
    }
    string = talloc_zero(packer->scratch, struct numbered);
    if (!string)
        abort();
    string->number = ++packer->count;
    HASH_ADD_KEYPTR(hh, packer->strings, text, strlen(text), string);
    char *clean = rw_utf8_escape(NULL, text);
    uint32_t length = (uint32_t)strlen(clean);
    put_number(packer, string->number);
    put_number(packer, length);
    put(packer, clean, length);
    talloc_free(clean);
}

static void pack_record(struct packer *packer, const struct rw_record *record, const void *structure);

static void pack_array(struct packer *packer, const struct rw_field *field, const void *structure)
{
    const char *const elements = *(const char *const *)((const char *)structure + field->offset);
    size_t count = *(const size_t *)((const char *)structure + field->count_offset);

    if (field->unless_offset && *(const int *)((const char *)structure + field->unless_offset))
        count = 0;
    put(packer, &count, sizeof count);
    for (size_t i = 0; i < count; i++) {
        const void *element = elements + i * element_size(field);
        if (field->type == RW_FIELD_STRINGS)
            pack_string(packer, *(const char *const *)element);
        else if (field->type == RW_FIELD_INTS)
            put(packer, element, sizeof(int));
        else
            pack_record(packer, field->record, element);
    }
}

static void pack_record(struct packer *packer, const struct rw_record *record, const void *structure)
{
    for (const struct rw_field *field = record->fields; field->name; field++) {
        const void *member = (const char *)structure + field->offset;
        size_t size = plain_size(field->type);

        if (size) {
            put(packer, member, size);
        } else if (field->type == RW_FIELD_STRING) {
            pack_string(packer, *(const char *const *)member);
        } else if (field->type == RW_FIELD_RECORD) {
            pack_record(packer, field->record, member);
        } else if (field->type == RW_FIELD_RECORD_PTR) {
            const void *inner = *(const void *const *)member;
            put_number(packer, inner != NULL);
            if (inner)
                pack_record(packer, field->record, inner);
        } else {
            pack_array(packer, field, structure);
        }
    }
}

int rw_incident_pack(const struct rw_incident *incident, FILE *file)
{
    struct packer packer = {.file = file, .scratch = talloc_new(NULL)};

    errno = 0;
    pack_record(&packer, &rw_incident_record, incident);
    HASH_CLEAR(hh, packer.strings);
    talloc_free(packer.scratch);
    if (fflush(file) == 0 && !ferror(file))
        return 0;
    return errno ? -errno : -EIO;
}

/* What is left to be read, and the strings so far: string n is at n - 1. */
struct unpacker {
    struct rw_incident *incident;
    const char *at, *end;
    const char **strings;
    uint32_t count, room;
};

static bool take(struct unpacker *unpacker, void *bytes, size_t size)
{
    if ((size_t)(unpacker->end - unpacker->at) < size)
        return false;
    memcpy(bytes, unpacker->at, size);
    unpacker->at += size;
    return true;
}

static bool unpack_new_string(struct unpacker *unpacker)
{
    uint32_t length;

    if (!take(unpacker, &length, sizeof length) || (size_t)(unpacker->end - unpacker->at) < length)
        return false;
    if (unpacker->count == unpacker->room) {
        unpacker->room = unpacker->room ? unpacker->room * 2 : 256;
        unpacker->strings = talloc_realloc(NULL, unpacker->strings, const char *, unpacker->room);
        if (!unpacker->strings)
            abort();
    }
    const char *text = talloc_strndup(unpacker->incident, unpacker->at, length);
    if (!text)
        abort();
    unpacker->strings[unpacker->count++] = text;
    unpacker->at += length;
    return true;
}

static bool unpack_string(struct unpacker *unpacker, const char **text)
{
    uint32_t number;

    if (!take(unpacker, &number, sizeof number))
        return false;
    if (number == unpacker->count + 1 && !unpack_new_string(unpacker))
        return false;
    if (number > unpacker->count)
        return false;
    *text = number ? unpacker->strings[number - 1] : NULL;
    return true;
}

/* The bytes of a member that goes as it is, if a member of its type can have them. */
static bool unpack_plain(struct unpacker *unpacker, enum rw_field_type type, void *member, size_t size)
{
    unsigned char bytes[sizeof(uint64_t)] = {0};
    unsigned certainty;

    if (!take(unpacker, bytes, size))
        return false;
    memcpy(&certainty, bytes, sizeof certainty);
    if ((type == RW_FIELD_BOOL && bytes[0] > 1) || (type == RW_FIELD_CERTAINTY && certainty > RW_EXACT))
        return false;
    memcpy(member, bytes, size);
    return true;
}

static bool unpack_record(struct unpacker *unpacker, const struct rw_record *record, void *structure);

static bool unpack_array(struct unpacker *unpacker, const struct rw_field *field, void *structure)
{
    size_t size = element_size(field), *known = (size_t *)((char *)structure + field->count_offset), count;

    /* An element takes a byte at least: no more can follow. */
    if (!take(unpacker, &count, sizeof count) || count > (size_t)(unpacker->end - unpacker->at) ||
        (field->type == RW_FIELD_INTS && count != *known))
        return false;
    *known = count;
    if (count == 0)
        return true;
    char *elements = talloc_array_size(unpacker->incident, size, (unsigned)count);
    if (!elements)
        abort();
    memset(elements, 0, size * count);
    *(void **)((char *)structure + field->offset) = elements;
    for (size_t i = 0; i < count; i++) {
        void *element = elements + i * size;
        if (!(field->type == RW_FIELD_STRINGS ? unpack_string(unpacker, element)
              : field->type == RW_FIELD_INTS  ? take(unpacker, element, sizeof(int))
                                              : unpack_record(unpacker, field->record, element)))
            return false;
    }
    return true;
}

static bool unpack_pointer(struct unpacker *unpacker, const struct rw_field *field, void **member)
{
    uint32_t is_there;

    if (!take(unpacker, &is_there, sizeof is_there))
        return false;
    if (!is_there)
        return true;
    *member = talloc_zero_size(unpacker->incident, field->record->size);
    if (!*member)
        abort();
    return unpack_record(unpacker, field->record, *member);
}

/* `structure` is zeroed. */
static bool unpack_record(struct unpacker *unpacker, const struct rw_record *record, void *structure)
{
    for (const struct rw_field *field = record->fields; field->name; field++) {
        void *member = (char *)structure + field->offset;
        size_t size = plain_size(field->type);
        bool is_read;

        if (size)
            is_read = unpack_plain(unpacker, field->type, member, size);
        else if (field->type == RW_FIELD_STRING)
            is_read = unpack_string(unpacker, member);
        else if (field->type == RW_FIELD_RECORD)
            is_read = unpack_record(unpacker, field->record, member);
        else if (field->type == RW_FIELD_RECORD_PTR)
            is_read = unpack_pointer(unpacker, field, member);
        else
            is_read = unpack_array(unpacker, field, structure);
        if (!is_read)
            return false;
    }
    return true;
}

struct rw_incident *rw_incident_unpack(void *parent, const void *bytes, size_t length, char **why)
{
    struct unpacker unpacker = {
        .incident = rw_incident_new(parent), .at = bytes, .end = (const char *)bytes + length};

    *unpacker.incident = (struct rw_incident){0};
    bool is_whole =
        unpack_record(&unpacker, &rw_incident_record, unpacker.incident) && unpacker.at == unpacker.end;
    talloc_free(unpacker.strings);
    if (!is_whole) {
        talloc_free(unpacker.incident);
        *why = talloc_strdup(parent, "the bytes are no packed incident");
        return NULL;
    }
    rw_incident_index_threads(unpacker.incident);
    rw_incident_unfold(unpacker.incident);
    return unpacker.incident;
}
