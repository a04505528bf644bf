/* SPDX-License-Identifier: MIT */
#include "tools/report/page.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <talloc.h>

#include "tools/incident/utf8.h"

static char *escaped(struct rw_page *page, const char *format, va_list arguments)
{
    char *raw = talloc_vasprintf(page->ctx, format, arguments);
    char *line = rw_line_escape(page->ctx, raw);

    if (!line)
        abort();
    talloc_free(raw);
    return line;
}

void rw_page_line(struct rw_page *page, const char *format, ...)
{
    va_list arguments;
    char *line;
    size_t length;

    va_start(arguments, format);
    line = escaped(page, format, arguments);
    va_end(arguments);
    length = strlen(line);
    while (length && line[length - 1] == ' ')
        line[--length] = '\0';
    fprintf(page->file, "%s\n", line);
    talloc_free(line);
}

void rw_page_gap(struct rw_page *page)
{
    fputc('\n', page->file);
}

void rw_page_heading(struct rw_page *page, const char *format, ...)
{
    va_list arguments;
    char *line;
    size_t length;

    va_start(arguments, format);
    line = escaped(page, format, arguments);
    va_end(arguments);
    length = strlen(line) < RW_PAGE_WIDTH ? strlen(line) : RW_PAGE_WIDTH;
    fprintf(page->file, "\n%s\n", line);
    while (length--)
        fputc('-', page->file);
    fputc('\n', page->file);
    talloc_free(line);
}

void rw_page_wrap(struct rw_page *page, int indent, const char *format, ...)
{
    va_list arguments;
    char *text, *word, *rest = NULL;
    int column = indent;

    va_start(arguments, format);
    text = escaped(page, format, arguments);
    va_end(arguments);
    fprintf(page->file, "%*s", indent, "");
    for (word = strtok_r(text, " ", &rest); word; word = strtok_r(NULL, " ", &rest)) {
        int length = (int)strlen(word);

        if (column > indent && column + 1 + length > RW_PAGE_WIDTH) {
            column = indent + 2;
            fprintf(page->file, "\n%*s%s", column, "", word);
        } else {
            fprintf(page->file, "%s%s", column > indent ? " " : "", word);
            column += column > indent;
        }
        column += length;
    }
    fputc('\n', page->file);
    talloc_free(text);
}
