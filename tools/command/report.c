/* SPDX-License-Identifier: MIT */
/*
 * racewatch report: what a run left behind, as text, JSON or Markdown. Incidents are told from their JSON, so
 * that this works elsewhere and later; recordings that no incident tells of are what a killed run and monitor
 * left.
 */
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <talloc.h>

#include "tools/command/commands.h"
#include "tools/command/found.h"
#include "tools/command/tell.h"
#include "tools/diagnosis/diagnosis.h"
#include "tools/incident/accounts.h"
#include "tools/incident/index_file.h"
#include "tools/incident/json.h"
#include "tools/incident/model.h"
#include "tools/postmortem/postmortem.h"
#include "tools/report/report.h"

#define MARKDOWN_BYTES_MAX (1024u * 1024)

enum format { TEXT, JSON, MARKDOWN };

struct arguments {
    enum format format;
    const char *path;
};

static error_t parse(int key, char *argument, struct argp_state *state)
{
    static const char *const words[] = {"text", "json", "markdown"};
    struct arguments *arguments = state->input;
    if (key == 'f') {
        for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
            if (strcmp(argument, words[i]) == 0) {
                arguments->format = (enum format)i;
                return 0;
            }
        rw_usage_error("'%s' is none of text, json, markdown", argument);
    }
    if (key != ARGP_KEY_ARG)
        return ARGP_ERR_UNKNOWN;
    if (arguments->path != NULL)
        rw_usage_error("one folder at a time");
    arguments->path = argument;
    return 0;
}

struct printer {
    enum format format;
    json_t *all; /* with JSON: an array, so that several incidents are one document */
    size_t printed;
    bool goes_on; /* a run is still being watched */
};

static void print(struct printer *printer, const struct rw_incident *incident)
{
    if (printer->format == JSON) {
        json_array_append_new(printer->all, rw_incident_to_json(incident));
    } else {
        if (printer->printed > 0)
            printf("\n%s\n\n", printer->format == TEXT ? "========================================" : "---");
        if (printer->format == TEXT)
            rw_report_text(incident, stdout);
        else
            rw_report_markdown(incident, stdout, MARKDOWN_BYTES_MAX);
    }
    printer->printed++;
}

static bool print_incident(struct printer *printer, void *scratch, const char *path)
{
    char *why = NULL;
    struct rw_incident *incident = rw_incident_read(scratch, path, O_NOFOLLOW, &why);
    if (incident == NULL) {
        rw_tell(stderr, "racewatch report: %s", why); /* it names the path */
        return false;
    }
    print(printer, incident);
    talloc_free(incident);
    return true;
}

static bool print_session(struct printer *printer, void *scratch, const struct rw_found_session *session)
{
    char *why = NULL;
    struct rw_incident *incident = NULL;
    const char *all_ended;
    if (session->is_watched) {
        rw_tell(stderr, "racewatch report: %s: this run is still being watched", session->path);
        printer->goes_on = true;
        return true;
    }
    if (rw_postmortem(session->path, scratch, &incident, &all_ended, &why) != 0) {
        rw_tell(stderr, "racewatch report: %s: %s", session->path, why);
        return false;
    }
    if (all_ended != NULL) {
        /* Its monitor was killed, or the folder was asked to be kept: that alone is no incident. */
        rw_tell(stderr, "racewatch report: %s: %s", session->path, all_ended);
    } else {
        rw_incident_complete_names(incident);
        rw_accounts_complete(incident);
        rw_diagnose(incident);
        print(printer, incident);
    }
    talloc_free(incident);
    return true;
}

/* The index's "tests": what is there of them that can be read. */
static size_t print_accounts(const struct printer *printer, void *scratch, const char *index_path)
{
    struct rw_incident *incident = rw_incident_new(scratch);
    struct rw_process_info *all = rw_incident_add_process(incident, 0);
    json_t *index = rw_index_read(AT_FDCWD, index_path, NULL), *test;
    size_t i;
    json_array_foreach(json_object_get(index, "tests"), i, test)
    {
        struct rw_test_account account;
        if (rw_test_account_from_json(incident, test, &account))
            *rw_process_add_account(incident, all, account.test) = account;
    }
    json_decref(index);
    if (all->test_count > 0 && printer->printed == 0)
        printf("No incident was found.\n");
    rw_report_accounts(all->tests, all->test_count, stdout);
    size_t count = all->test_count;
    talloc_free(incident);
    return count;
}

int rw_command_report(int argc, char **argv)
{
    static const struct argp_option flags[] = {
        {"format", 'f', "text|json|markdown", 0, "how to print (default: text)", 0},
        {0},
    };
    struct argp argp = {
        .options = flags,
        .parser = parse,
        .args_doc = "PATH",
        .doc = "Print what was found. PATH is the folder for reports, an incident's folder, an "
               "incident.json, or a "
               "session's folder of recordings.\vRecordings that no incident tells of are told post mortem: "
               "the run or its "
               "monitor was killed. With json, the output is an array if PATH may hold several incidents.",
    };
    struct arguments arguments = {.format = TEXT};
    rw_parse(&argp, argc, argv, RW_EXIT_USAGE, &arguments);
    if (arguments.path == NULL)
        rw_usage_error("which folder? (racewatch report PATH)");
    void *scratch = talloc_new(NULL);
    struct rw_found found;
    char *why;
    if (rw_find(scratch, arguments.path, &found, &why) != 0)
        rw_usage_error("%s: %s", arguments.path, why);
    struct printer printer = {.format = arguments.format, .all = json_array()};
    bool all_well = true;
    for (size_t i = 0; i < found.incident_count; i++)
        all_well &= print_incident(&printer, scratch, found.incidents[i]);
    for (size_t i = 0; i < found.session_count; i++)
        if (found.sessions[i].has_untold)
            all_well &= print_session(&printer, scratch, &found.sessions[i]);
    if (printer.format == JSON) {
        json_dumpf(found.is_single && json_array_size(printer.all) == 1 ? json_array_get(printer.all, 0)
                                                                        : printer.all,
                   stdout, RW_JSON_FLAGS);
        printf("\n");
    }
    size_t accounts =
        found.index != NULL && printer.format == TEXT ? print_accounts(&printer, scratch, found.index) : 0;
    if (printer.printed + accounts == 0 && all_well && printer.format != JSON)
        printf("Nothing was found%s.\n", printer.goes_on ? " so far" : "");
    json_decref(printer.all);
    talloc_free(scratch);
    return fflush(stdout) != 0 || !all_well ? 1 : 0;
}
