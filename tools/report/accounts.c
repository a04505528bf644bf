/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdlib.h>
#include <talloc.h>

#include "tools/incident/accounts.h"
#include "tools/incident/words.h"
#include "tools/report/report.h"
#include "tools/report/sections.h"

static void write_count(struct rw_page *page, char **counts, const char *what, int begin, int end)
{
    if (begin >= 0 && end >= 0 && begin != end)
        rw_append(page->ctx, counts, "%s%s %d to %d", *counts ? ", " : "", what, begin, end);
}

void rw_section_accounts(struct rw_page *page, const struct rw_test_account *accounts, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct rw_test_account *account = &accounts[i];
        char *counts = NULL;

        write_count(page, &counts, "threads", account->threads_begin, account->threads_end);
        write_count(page, &counts, "interpreters", account->interpreters_begin, account->interpreters_end);
        write_count(page, &counts, "descriptors", account->descriptors_begin, account->descriptors_end);
        rw_page_wrap(page, 2, 4, "%s%s%s%s: %s%s%s%s", account->test ? account->test : "?",
                     account->worker ? " (" : "", account->worker ? account->worker : "",
                     account->worker ? ")" : "", rw_account_words(page->ctx, account), counts ? "; " : "",
                     counts ? counts : "",
                     account->number && account->descriptors_end < 0 ? "; descriptors are not known" : "");
    }
}

int rw_report_accounts(const struct rw_test_account *accounts, size_t count, FILE *file)
{
    struct rw_page page = {.file = file, .ctx = talloc_new(NULL)};

    if (!page.ctx)
        abort();
    errno = 0;
    if (count)
        rw_page_heading(&page, RW_ACCOUNTS_HEADING);
    rw_section_accounts(&page, accounts, count);
    talloc_free(page.ctx);
    if (fflush(file) == 0 && !ferror(file))
        return 0;
    return errno ? -errno : -EIO;
}
