/* SPDX-License-Identifier: MIT */
/*
 * Lines of a report. All that is written goes through here, so that nothing of the watched program reaches a
 * terminal unescaped, and no name can break a line. Internal to tools/report.
 */
#ifndef RACEWATCH_TOOLS_REPORT_PAGE_H
#define RACEWATCH_TOOLS_REPORT_PAGE_H

#include <stdio.h>

#define RW_PAGE_WIDTH 100

struct rw_page {
    FILE *file;
    void *ctx; /* for what is needed while writing */
};

void rw_page_line(struct rw_page *page, const char *format, ...) __attribute__((format(printf, 2, 3)));
void rw_page_gap(struct rw_page *page);
/* A heading of its own line, underlined. */
void rw_page_heading(struct rw_page *page, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* A sentence, broken at spaces outside parentheses; `indent` columns before the first line, and `hang` more
 * before the others. */
void rw_page_wrap(struct rw_page *page, int indent, int hang, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

#endif
