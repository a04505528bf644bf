/* SPDX-License-Identifier: MIT */
#include "tools/options/options.h"

#include <errno.h>
#include <math.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <talloc.h>

enum type { SECONDS, COUNT, FLAG, TEXT, CHOICE };

struct entry {
    const char *key;
    enum type type;
    const char *standard;
    const char *help;
    size_t field, is_set;
};

static const struct entry entries[] = {
#define RW_OPTION(key, type, standard, help)                                                                 \
    {#key, type, standard, help, offsetof(struct rw_options, key), offsetof(struct rw_options, is_set.key)},
#include "shim/options.def"
#undef RW_OPTION
};
#define ENTRY_COUNT (sizeof(entries) / sizeof(entries[0]))

static const char *const type_words[] = {"SECONDS", "N", "0|1", "TEXT", "WORD"};

static bool same_key(const char *key, const char *given)
{
    for (; *key != '\0' && *given != '\0'; key++, given++)
        if (*key != *given && !(*key == '_' && *given == '-'))
            return false;
    return *key == *given;
}

static const struct entry *find(const char *key)
{
    for (size_t i = 0; i < ENTRY_COUNT; i++)
        if (same_key(entries[i].key, key))
            return &entries[i];
    return NULL;
}

/* The help names the words in braces: "... {report, abort, kill}". */
static bool is_choice(const struct entry *entry, const char *value)
{
    const char *at = strchr(entry->help, '{');
    size_t length = strlen(value);
    while (at != NULL && *at != '}' && *at != '\0') {
        at += strspn(at, "{, ");
        size_t word = strcspn(at, ",}");
        if (word == length && strncmp(at, value, word) == 0)
            return true;
        at += word;
    }
    return false;
}

static bool parse_seconds(const char *value, double *seconds)
{
    char *end;
    errno = 0;
    *seconds = strtod(value, &end);
    /* A year is for ever; more would overflow where it becomes nanoseconds. */
    return end != value && *end == '\0' && errno == 0 && isfinite(*seconds) && *seconds >= 0 &&
           *seconds <= 3.2e7;
}

static bool parse_count(const char *value, long *count)
{
    char *end;
    errno = 0;
    *count = strtol(value, &end, 10);
    return end != value && *end == '\0' && errno == 0 && *count >= 0;
}

static bool parse_flag(const char *value, bool *flag)
{
    static const struct {
        const char *word;
        bool flag;
    } words[] = {{"1", true}, {"0", false}, {"true", true}, {"false", false}, {"yes", true}, {"no", false}};
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        if (strcmp(value, words[i].word) == 0) {
            *flag = words[i].flag;
            return true;
        }
    return false;
}

static bool set(struct rw_options *options, const struct entry *entry, const char *value)
{
    void *field = (char *)options + entry->field;
    switch (entry->type) {
    case SECONDS: {
        double seconds;
        if (!parse_seconds(value, &seconds))
            return false;
        *(rw_option_SECONDS *)field = seconds;
        return true;
    }
    case COUNT: {
        long count;
        if (!parse_count(value, &count))
            return false;
        *(rw_option_COUNT *)field = count;
        return true;
    }
    case FLAG: {
        bool flag;
        if (!parse_flag(value, &flag))
            return false;
        *(rw_option_FLAG *)field = flag;
        return true;
    }
    case CHOICE:
        if (!is_choice(entry, value))
            return false;
        *(rw_option_CHOICE *)field = talloc_strdup(options, value);
        return true;
    case TEXT:
        /* Empty is what has no value of its own: a folder always has one. */
        if (*value == '\0' && *entry->standard != '\0')
            return false;
        *(rw_option_TEXT *)field = talloc_strdup(options, value);
        return true;
    }
    return false;
}

struct rw_options *rw_options_new(void *parent)
{
    struct rw_options *options = talloc_zero(parent, struct rw_options);
    for (size_t i = 0; i < ENTRY_COUNT; i++)
        set(options, &entries[i], entries[i].standard);
    return options;
}

int rw_options_set(struct rw_options *options, const char *key, const char *value, char **why)
{
    const struct entry *entry = find(key);
    *why = NULL;
    if (entry == NULL) {
        *why = talloc_asprintf(options, "unknown option '%s' (`racewatch options` prints all)", key);
        return -ENOENT;
    }
    if (value == NULL && entry->type != FLAG) {
        *why = talloc_asprintf(options, "option %s has no value (%s=%s)", entry->key, entry->key,
                               type_words[entry->type]);
        return -EINVAL;
    }
    if (value == NULL)
        value = "1";
    if (!set(options, entry, value)) {
        const char *choices = entry->type == CHOICE ? strchr(entry->help, '{') : NULL;
        *why = choices != NULL ? talloc_asprintf(options, "option %s: '%s' is none of %.*s", entry->key,
                                                 value, (int)(strcspn(choices, "}") + 1), choices)
                               : talloc_asprintf(options, "option %s: '%s' is not %s", entry->key, value,
                                                 entry->type == SECONDS ? "a number of seconds"
                                                 : entry->type == COUNT ? "a whole number"
                                                 : entry->type == TEXT  ? "a path"
                                                                        : "0 or 1");
        return -EINVAL;
    }
    *(bool *)((char *)options + entry->is_set) = true;
    return 0;
}

static char *append_value(char *text, const struct rw_options *options, const struct entry *entry)
{
    const void *field = (const char *)options + entry->field;
    text = talloc_asprintf_append(text, "%s%s=", *text != '\0' ? ":" : "", entry->key);
    switch (entry->type) {
    case SECONDS:
        return talloc_asprintf_append(text, "%g", *(const rw_option_SECONDS *)field);
    case COUNT:
        return talloc_asprintf_append(text, "%ld", *(const rw_option_COUNT *)field);
    case FLAG:
        return talloc_asprintf_append(text, "%d", *(const rw_option_FLAG *)field);
    case TEXT:
    case CHOICE:
        return talloc_asprintf_append(text, "%s", *(const rw_option_TEXT *)field);
    }
    return text;
}

static void parse_string(struct rw_options *options, const char *string, FILE *warnings)
{
    char *copy = talloc_strdup(options, string), *rest = copy, *item;
    while ((item = strsep(&rest, ":")) != NULL) {
        if (*item == '\0')
            continue;
        char *value = strchr(item, '='), *why = NULL;
        if (value != NULL)
            *value++ = '\0';
        int error = rw_options_set(options, item, value, &why);
        if (error == 0 || warnings == NULL)
            continue;
        fprintf(warnings, "racewatch: RACEWATCH_OPTIONS: %s", why);
        if (error == -EINVAL)
            fprintf(warnings, "; %s is used", append_value(talloc_strdup(copy, ""), options, find(item)));
        fprintf(warnings, "\n");
    }
    talloc_free(copy);
}

void rw_options_from_environment(struct rw_options *options, FILE *warnings)
{
    char *why;
    const char *value = getenv("TEST_UNDECLARED_OUTPUTS_DIR");
    if (value != NULL && *value != '\0')
        rw_options_set(options, "dir", value, &why);
    value = getenv("RACEWATCH_DIR");
    if (value != NULL && *value != '\0')
        rw_options_set(options, "dir", value, &why);
    double seconds;
    value = getenv("TEST_TIMEOUT");
    if (value != NULL && parse_seconds(value, &seconds) && seconds > 0)
        rw_options_set(options, "deadline", value, &why);
    value = getenv("RACEWATCH_OPTIONS");
    if (value != NULL)
        parse_string(options, value, warnings);
}

char *rw_options_string(void *parent, const struct rw_options *options)
{
    char *text = talloc_strdup(parent, "");
    for (size_t i = 0; i < ENTRY_COUNT; i++) {
        const struct entry *entry = &entries[i];
        bool is_set = *(const bool *)((const char *)options + entry->is_set);
        bool stays =
            same_key(entry->key, "dir") || same_key(entry->key, "deadline") || same_key(entry->key, "help");
        if (is_set && !stays)
            text = append_value(text, options, entry);
    }
    return text;
}

const struct rw_option_row *rw_option_rows(void)
{
    static struct rw_option_row rows[ENTRY_COUNT + 1];
    static char names[ENTRY_COUNT][32];
    if (rows[0].key == NULL)
        for (size_t i = 0; i < ENTRY_COUNT; i++) {
            snprintf(names[i], sizeof(names[i]), "%s", entries[i].key);
            for (char *c = names[i]; *c != '\0'; c++)
                if (*c == '_')
                    *c = '-';
            rows[i] = (struct rw_option_row){entries[i].key, names[i], type_words[entries[i].type],
                                             entries[i].standard, entries[i].help};
        }
    return rows;
}

void rw_options_print(FILE *out)
{
    fprintf(
        out,
        "RACEWATCH_OPTIONS=\"key=value:key=value\"; `racewatch run` takes each as a flag, --key=value.\n\n");
    for (size_t i = 0; i < ENTRY_COUNT; i++)
        fprintf(out, "  %s=%s  (default: %s)\n      %s\n", entries[i].key, type_words[entries[i].type],
                *entries[i].standard != '\0' ? entries[i].standard : "none", entries[i].help);
}
