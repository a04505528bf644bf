/* SPDX-License-Identifier: MIT */
#include "tools/command/isolate_pytest.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <talloc.h>

#include "tools/basics/paths.h"

#define PYTEST_USAGE_ERROR 4

enum what { KEEP = 0, SELECTS, PARALLEL };

/* pytest's options that take a word of their own, or are not for a run of chosen tests: what selects tests,
 * what ends a run early, what would overwrite a file of the run's. Any other option is kept as it is. */
static const struct option {
    const char *name;
    bool takes_word;
    enum what what;
} options[] = {
    {"-k", true, SELECTS},
    {"-m", true, SELECTS},
    {"-x", false, SELECTS},
    {"-n", true, PARALLEL},
    {"-d", false, PARALLEL},
    {"-f", false, PARALLEL},
    {"-c", true, KEEP},
    {"-o", true, KEEP},
    {"-p", true, KEEP},
    {"-r", true, KEEP},
    {"-W", true, KEEP},
    {"--numprocesses", true, PARALLEL},
    {"--maxprocesses", true, PARALLEL},
    {"--dist", true, PARALLEL},
    {"--tx", true, PARALLEL},
    {"--rsyncdir", true, PARALLEL},
    {"--looponfail", false, PARALLEL},
    {"--exitfirst", false, SELECTS},
    {"--maxfail", true, SELECTS},
    {"--deselect", true, SELECTS},
    {"--ignore", true, SELECTS},
    {"--ignore-glob", true, SELECTS},
    {"--pyargs", false, SELECTS},
    {"--lf", false, SELECTS},
    {"--last-failed", false, SELECTS},
    {"--ff", false, SELECTS},
    {"--failed-first", false, SELECTS},
    {"--nf", false, SELECTS},
    {"--new-first", false, SELECTS},
    {"--lfnf", true, SELECTS},
    {"--last-failed-no-failures", true, SELECTS},
    {"--sw", false, SELECTS},
    {"--stepwise", false, SELECTS},
    {"--sw-skip", false, SELECTS},
    {"--stepwise-skip", false, SELECTS},
    {"--pdb", false, SELECTS},
    {"--trace", false, SELECTS},
    {"--junitxml", true, SELECTS},
    {"--junit-xml", true, SELECTS},
    {"--config-file", true, KEEP},
    {"--override-ini", true, KEEP},
    {"--pythonwarnings", true, KEEP},
    {"--rootdir", true, KEEP},
    {"--confcutdir", true, KEEP},
    {"--basetemp", true, KEEP},
    {"--import-mode", true, KEEP},
    {"--log-file", true, KEEP},
    {"--tb", true, KEEP},
    {"--capture", true, KEEP},
    {"--color", true, KEEP},
    {"--durations", true, KEEP},
    {"--timeout", true, KEEP},
};
#define OPTION_COUNT (sizeof(options) / sizeof(options[0]))

static const struct option *find(const char *name, size_t length)
{
    for (size_t i = 0; i < OPTION_COUNT; i++)
        if (strlen(options[i].name) == length && strncmp(options[i].name, name, length) == 0)
            return &options[i];
    return NULL;
}

static bool is_pytest(const char *word)
{
    const char *base = rw_base_name(word);
    return strcmp(base, "pytest") == 0 || strcmp(base, "py.test") == 0 || strncmp(base, "pytest-3", 8) == 0;
}

/* The index behind the word that is pytest: 0 if there is none. */
static size_t launcher_length(char *const *command)
{
    if (is_pytest(command[0]))
        return 1;
    for (size_t i = 1; command[i] != NULL; i++) {
        bool is_module = strcmp(command[i - 1], "-m") == 0;
        if (is_module ? strcmp(command[i], "pytest") == 0 : is_pytest(command[i]))
            return i + 1;
        if (is_module || strcmp(command[i], "-c") == 0)
            return 0;
    }
    return 0;
}

/* A file of tests, a folder of them, or "file::test". Words of options that we do not know look otherwise. */
static bool is_selection(const char *word)
{
    struct stat status;
    size_t length = strcspn(word, ":");
    if (word[length] == ':' && word[length + 1] == ':')
        return true;
    return stat(word, &status) == 0 &&
           (S_ISDIR(status.st_mode) || (length > 3 && strcmp(word + length - 3, ".py") == 0));
}

struct splitter {
    struct rw_pytest *pytest;
    char *const *next;
};

static void put(struct splitter *splitter, const char *word, enum what what)
{
    if (what == KEEP)
        rw_argv_add(splitter->pytest, &splitter->pytest->options, word);
    if (what == PARALLEL)
        splitter->pytest->was_parallel = true;
    else
        rw_argv_add(splitter->pytest, &splitter->pytest->all, word);
}

static void split_long(struct splitter *splitter, const char *word)
{
    size_t length = strcspn(word, "=");
    const struct option *option = find(word, length);
    enum what what = option != NULL ? option->what : KEEP;
    put(splitter, word, what);
    if (option != NULL && option->takes_word && word[length] == '\0' && *splitter->next != NULL)
        put(splitter, *splitter->next++, what);
}

/* "-xvs", "-n4", "-svk word": letters until one that takes a word. */
static void split_short(struct splitter *splitter, const char *word)
{
    for (const char *letter = word + 1; *letter != '\0'; letter++) {
        char name[] = {'-', *letter, '\0'};
        const struct option *option = find(name, 2);
        enum what what = option != NULL ? option->what : KEEP;
        if (option == NULL || !option->takes_word) {
            put(splitter, name, what);
            continue;
        }
        put(splitter, name, what);
        if (letter[1] != '\0')
            put(splitter, letter + 1, what);
        else if (*splitter->next != NULL)
            put(splitter, *splitter->next++, what);
        return;
    }
}

static void split(struct rw_pytest *pytest, char *const *words)
{
    struct splitter splitter = {pytest, words};
    bool is_behind = false; /* of "--" */
    while (*splitter.next != NULL) {
        const char *word = *splitter.next++;
        if (is_behind || word[0] != '-' || word[1] == '\0') {
            put(&splitter, word, is_behind || is_selection(word) ? SELECTS : KEEP);
        } else if (strcmp(word, "--") == 0) {
            is_behind = true; /* not needed: no id begins with "-" */
        } else if (word[1] == '-') {
            split_long(&splitter, word);
        } else {
            split_short(&splitter, word);
        }
    }
}

struct rw_pytest *rw_pytest_parse(void *parent, char *const *command, char **why)
{
    size_t length = launcher_length(command);
    if (length == 0) {
        *why =
            talloc_asprintf(parent,
                            "%s does not run pytest as far as can be seen: give the command that does, as in "
                            "`racewatch isolate -- python3 -m pytest tests`",
                            command[0]);
        return NULL;
    }
    struct rw_pytest *pytest = talloc_zero(parent, struct rw_pytest);
    for (size_t i = 0; i < length; i++)
        rw_argv_add(pytest, &pytest->launcher, command[i]);
    split(pytest, command + length);
    return pytest;
}

static void add_all(void *parent, char ***argv, char *const *words)
{
    for (size_t i = 0; words != NULL && words[i] != NULL; i++)
        rw_argv_add(parent, argv, words[i]);
}

/* Ids are relative to pytest's root folder, and its arguments to the working directory: that is below the
 * root, or is it. */
static void find_root(struct rw_pytest *pytest)
{
    const char *id = pytest->ids[0];
    int length = (int)(strstr(id, "::") - id);
    char *up = talloc_strdup(pytest, "");
    for (int depth = 0; depth < 32; depth++) {
        char *path = talloc_asprintf(NULL, "%s%.*s", up, length, id);
        bool is_there = access(path, F_OK) == 0;
        talloc_free(path);
        if (is_there) {
            pytest->up = up;
            return;
        }
        up = talloc_strdup_append(up, "../");
    }
    pytest->up = "";
}

/* A line for each test, and then a line without an id. Spaces may be in an id, but not at its begin. */
static void read_ids(struct rw_pytest *pytest, FILE *file)
{
    char *line = NULL;
    size_t size = 0;
    while (getline(&line, &size, file) > 0) {
        line[strcspn(line, "\r\n")] = '\0';
        const char *colons = strstr(line, "::");
        if (colons != NULL && colons != line && !isspace((unsigned char)line[0]))
            rw_argv_add(pytest, &pytest->ids, line);
        else if (pytest->ids != NULL)
            break;
    }
    free(line);
    pytest->count = pytest->ids != NULL ? talloc_array_length(pytest->ids) - 1 : 0;
    if (pytest->count > 0)
        find_root(pytest);
}

static int collect(struct rw_pytest *pytest, const struct rw_child_signals *signals, const char *folder,
                   double end_s, int *code)
{
    char **argv = NULL;
    int status = 0;
    add_all(pytest, &argv, pytest->launcher);
    add_all(pytest, &argv, pytest->knows_xdist ? (char *[]){"-n0", NULL} : NULL);
    add_all(pytest, &argv, pytest->all);
    add_all(pytest, &argv, (char *[]){"--collect-only", "--verbosity=-1", NULL}); /* the last one counts */
    const struct rw_child_run run = {.signals = signals, .argv = argv, .output = folder, .end_s = end_s};
    int error = rw_child_run(&run, &status);
    *code = rw_child_code(status);
    talloc_free(argv);
    return error;
}

int rw_pytest_collect(struct rw_pytest *pytest, const struct rw_child_signals *signals, const char *folder,
                      double end_s, char **why)
{
    int code = 0;
    setenv("RACEWATCH", "0", 1);
    /* xdist may be asked for where the command line does not show it; one that is not there is no option. */
    pytest->knows_xdist = true;
    int error = collect(pytest, signals, folder, end_s, &code);
    if (error == 0 && code == PYTEST_USAGE_ERROR) {
        pytest->knows_xdist = false;
        error = collect(pytest, signals, folder, end_s, &code);
    }
    unsetenv("RACEWATCH");
    char *path = talloc_asprintf(pytest, "%s/stdout", folder);
    FILE *file = error == 0 ? fopen(path, "re") : NULL;
    if (file != NULL) {
        read_ids(pytest, file);
        fclose(file);
    }
    if (error == 0 && pytest->count == 0)
        error = -ENOENT;
    if (error != 0 && error != -EINTR)
        *why = talloc_asprintf(
            pytest, "pytest --collect-only named no tests (%s): see %s",
            error == -ENOENT ? talloc_asprintf(pytest, "exit status %d", code) : strerror(-error), path);
    return error;
}

void rw_pytest_command(const struct rw_pytest *pytest, void *parent, char ***argv, const size_t *tests,
                       size_t count)
{
    add_all(parent, argv, pytest->launcher);
    add_all(parent, argv, pytest->options);
    /* Whatever a configuration file says: all of them, one after the other, in this order. */
    add_all(parent, argv, pytest->knows_xdist ? (char *[]){"-n0", NULL} : NULL);
    add_all(parent, argv, (char *[]){"--maxfail=0", "-pno:randomly", "-pno:random_order", NULL});
    for (size_t i = 0; i < count; i++)
        rw_argv_add(parent, argv, talloc_asprintf(*argv, "%s%s", pytest->up, pytest->ids[tests[i]]));
}
