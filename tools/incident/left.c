/* SPDX-License-Identifier: MIT */
#include "tools/incident/left.h"

#include <string.h>

#include <talloc.h>

#include "tools/incident/accounts.h"

#define NAMED_MAX 3

struct list {
    void *parent;
    char *words; /* NULL: empty */
};

static bool is_of(const char *made_in, const char *test)
{
    return made_in != NULL && strcmp(made_in, test) == 0;
}

static void add(struct list *list, char *words)
{
    if (list->words == NULL)
        list->words = talloc_strdup(list->parent, words);
    else
        list->words = talloc_asprintf_append(list->words, ", %s", words);
    talloc_free(words);
}

static void add_threads(struct list *list, const struct rw_process_info *process, const char *test)
{
    size_t count = 0;
    char *names = talloc_strdup(list->parent, "");
    for (size_t i = 0; i < process->thread_count; i++) {
        const struct rw_thread *thread = &process->threads[i];
        if (!thread->is_alive || !is_of(thread->created_in_test, test))
            continue;
        if (count++ < NAMED_MAX)
            names = talloc_asprintf_append(names, "%s'%s'", count > 1 ? ", " : " ",
                                           thread->name != NULL ? thread->name : "?");
    }
    if (count == 1)
        add(list, talloc_asprintf(list->parent, "thread%s", names));
    else if (count > 1)
        add(list,
            talloc_asprintf(list->parent, "%zu threads%s%s", count, names, count > NAMED_MAX ? ", ..." : ""));
    talloc_free(names);
}

static void add_interpreters(struct list *list, const struct rw_process_info *process, const char *test)
{
    for (size_t i = 0; i < process->interpreter_count; i++) {
        const struct rw_interpreter_info *interpreter = &process->interpreters[i];
        bool is_there = interpreter->state != NULL && strcmp(interpreter->state, "destroyed") != 0;
        if (is_there && !interpreter->is_main && is_of(interpreter->created_in_test, test))
            add(list, talloc_asprintf(list->parent, "interpreter %lld", (long long)interpreter->id));
    }
}

static void add_children_and_descriptors(struct list *list, const struct rw_process_info *process,
                                         const char *test)
{
    const struct rw_test_account *account = rw_process_find_account(process, test);
    for (size_t i = 0; account != NULL && i < account->child_count; i++)
        add(list, talloc_asprintf(list->parent, "process %d (%s)", account->children[i].pid,
                                  account->children[i].name != NULL ? account->children[i].name : "?"));
    for (size_t i = 0; account != NULL && i < account->descriptor_count; i++)
        add(list, rw_left_open_words(list->parent, &account->descriptors[i]));
}

char *rw_left_words(void *parent, const struct rw_incident *incident, const char *test)
{
    struct list list = {parent, NULL};
    for (size_t i = 0; i < incident->process_count; i++) {
        const struct rw_process_info *process = &incident->processes[i];
        if (is_of(process->test, test))
            continue;
        add_threads(&list, process, test);
        add_interpreters(&list, process, test);
        add_children_and_descriptors(&list, process, test);
    }
    return list.words;
}
