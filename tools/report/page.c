/* SPDX-License-Identifier: MIT */
#include "tools/report/page.h"

#include <stdarg.h>
#include <stdbool.h>
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

/* Bytes of the piece that starts at `text` and is not to be broken: up to the next space outside
 * parentheses. A name keeps its tid; what is in parentheses may be broken after all where it is long. */
static size_t piece_length(const char *text)
{
    size_t length = 0;
    int depth = 0;

    for (; text[length]; length++) {
        depth += (text[length] == '(') - (text[length] == ')');
        if (text[length] == ' ' && (depth <= 0 || length >= RW_PAGE_WIDTH / 3) &&
            strncmp(text + length, " (tid ", 6) != 0)
            break;
    }
    return length;
}

void rw_page_wrap(struct rw_page *page, int indent, int hang, const char *format, ...)
{
    va_list arguments;
    char *text;
    int column = indent;
    bool is_first = true;

    va_start(arguments, format);
    text = escaped(page, format, arguments);
    va_end(arguments);
    fprintf(page->file, "%*s", indent, "");
    for (const char *piece = text; *piece;) {
        int spaces = (int)strspn(piece, " ");
        int length = (int)piece_length(piece + spaces);

        if (!is_first && column + spaces + length > RW_PAGE_WIDTH) {
            column = indent + hang;
            fprintf(page->file, "\n%*s", column, "");
        } else {
            fprintf(page->file, "%*s", spaces, "");
            column += spaces;
        }
        fprintf(page->file, "%.*s", length, piece + spaces);
        column += length;
        piece += spaces + length;
        is_first = false;
    }
    fputc('\n', page->file);
    talloc_free(text);
}
