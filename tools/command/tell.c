/* SPDX-License-Identifier: MIT */
#include "tools/command/tell.h"

#include <stdarg.h>
#include <string.h>

#include <talloc.h>

#include "tools/basics/need.h"
#include "tools/incident/utf8.h"

#define PLAIN "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./=:,@%+"

void rw_tell(FILE *file, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    char *raw = rw_need(talloc_vasprintf(NULL, format, arguments));
    va_end(arguments);
    fprintf(file, "%s\n", rw_line_escape(raw, raw));
    talloc_free(raw);
}

/* Inside of '...' a shell takes every character for itself but that quote. */
static char *quote(char *text, const char *word)
{
    text = talloc_asprintf_append(text, "'");
    for (const char *c = word; *c != '\0'; c++)
        text = talloc_asprintf_append(text, *c == '\'' ? "'\\''" : "%c", *c);
    return talloc_asprintf_append(text, "'");
}

/* Inside of $'...' it reads the escapes that rw_line_escape() writes. */
static char *quote_escaped(char *text, const char *word)
{
    char *doubled = talloc_strdup(NULL, "");
    for (const char *c = word; *c != '\0'; c++)
        doubled = talloc_asprintf_append(doubled, *c == '\\' || *c == '\'' ? "\\%c" : "%c", *c);
    text = talloc_asprintf_append(text, "$'%s'", rw_line_escape(doubled, doubled));
    talloc_free(doubled);
    return text;
}

char *rw_shell_words(char *text, char *const *words)
{
    for (; *words != NULL; words++) {
        const char *word = *words;
        char *escaped = rw_line_escape(NULL, word);
        text = talloc_asprintf_append(text, " ");
        if (*word != '\0' && word[strspn(word, PLAIN)] == '\0')
            text = talloc_asprintf_append(text, "%s", word);
        else
            text = strcmp(escaped, word) == 0 ? quote(text, word) : quote_escaped(text, word);
        talloc_free(escaped);
    }
    return text;
}
