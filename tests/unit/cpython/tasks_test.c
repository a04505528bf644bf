/* SPDX-License-Identifier: MIT */
/*
 * Tasks of event loops: what waits where for what, and which one blocks the loop, as every Python that is
 * found says of itself. argv: the program tasks.py.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <talloc.h>

#include "tests/unit/cpython/python_program.h"
#include "tools/incident/model.h"

static const char *tasks_script;

/* "function:line" in the script, "function" in a library; methods without their class, as older versions have
 * them. */
static char *frame_words(void *ctx, const struct rw_python_frame *frame)
{
    const char *dot = strrchr(frame->function, '.'), *slash = strrchr(frame->file, '/');
    const char *function = dot ? dot + 1 : frame->function;
    assert_false(frame->is_torn);
    if (slash && !strcmp(slash + 1, "tasks.py") && !strstr(frame->file, "asyncio/"))
        return talloc_asprintf(ctx, "%s:%d", function, frame->line);
    return talloc_strdup(ctx, function);
}

/* The words one after the other; "*" stands for any number of others. */
static bool fits(char **words, size_t count, const char *wanted)
{
    char *copy = strdup(wanted), *rest = copy, *word;
    size_t i = 0;
    bool is_open = false, is_right = true;
    while (is_right && (word = strsep(&rest, " "))) {
        if (!strcmp(word, "*")) {
            is_open = true;
            continue;
        }
        while (is_open && i < count && strcmp(words[i], word))
            i++;
        is_right = i < count && !strcmp(words[i++], word);
        is_open = false;
    }
    free(copy);
    return is_right && i == count;
}

static bool is_task(const struct rw_task *task, const char *library, const char *name, const char *state,
                    const char *waits, const char *cancelled, int tid, const char *frames)
{
    void *ctx = talloc_new(NULL);
    char **words = talloc_array(ctx, char *, task->frame_count + 1);
    /* A running task's thread may be deeper inside, in C code of the library. */
    for (size_t i = 0; i < task->frame_count; i++)
        words[i] = frame_words(ctx, &task->frames[i]);
    bool is_right = !strcmp(task->library, library) && task->name && !strcmp(task->name, name) &&
                    task->state && !strcmp(task->state, state) && task->tid == tid &&
                    !strcmp(task->waits_on ? task->waits_on : "-", waits) &&
                    !strcmp(task->cancelled ? task->cancelled : "-", cancelled) &&
                    fits(words, task->frame_count, frames);
    talloc_free(ctx);
    return is_right;
}

static void check_task(const struct rw_process_info *process, const char *line)
{
    char library[16], name[64], state[16], waits[64], cancelled[16], frames[1024];
    int tid;
    size_t found = 0;
    assert_int_equal(sscanf(line, "K %15[^\t]\t%63[^\t]\t%15[^\t]\t%63[^\t]\t%15[^\t]\t%d\t%1023[^\n]",
                            library, name, state, waits, cancelled, &tid, frames),
                     7);
    for (size_t i = 0; i < process->task_count; i++)
        found += is_task(&process->tasks[i], library, name, state, waits, cancelled, tid, frames);
    if (found == 1)
        return;
    for (size_t i = 0; i < process->task_count; i++) {
        const struct rw_task *task = &process->tasks[i];
        print_message("  %s %s %s %s %s %d:", task->library, task->name, task->state, task->waits_on,
                      task->cancelled, task->tid);
        for (size_t f = 0; f < task->frame_count; f++)
            print_message(" %s:%d", task->frames[f].function, task->frames[f].line);
        print_message("\n");
    }
    fail_msg("%zu tasks are as %s", found, line);
}

static size_t check_tasks(const char *python, const char *library)
{
    struct python_program program = start_python(python, tasks_script, library, NULL);
    struct rw_incident *incident = look_at(&program);
    const struct rw_process_info *process = &incident->processes[0];
    char *rest = program.lines, *line;
    size_t count = 0;
    while ((line = strsep(&rest, "\n")) && *line != 'R') {
        if (*line != 'K')
            continue;
        check_task(process, line);
        count++;
    }
    for (size_t i = 0; i < process->task_count; i++)
        for (size_t j = 0; j < i; j++)
            assert_true(process->tasks[i].address != process->tasks[j].address);
    if (process->note_count)
        fail_msg("%s", process->notes[0]);
    print_message("%s: %s: %zu of %zu tasks of %s\n", python, process->python, count, process->task_count,
                  library ? library : "asyncio");
    talloc_free(incident);
    end_python(&program);
    return count;
}

static void every_task_of_asyncio_is_where_it_says(void **state)
{
    (void)state;
    for (size_t i = 0; i < python_count; i++)
        assert_true(check_tasks(pythons[i], NULL) > 14);
}

static void every_task_of_trio_is_where_it_says(void **state)
{
    size_t checked = 0;
    (void)state;
    for (size_t i = 0; i < python_count; i++)
        checked += check_tasks(pythons[i], "trio") + check_tasks(pythons[i], "idle");
    if (!checked) {
        print_message("no Python here has trio\n");
        skip();
    }
}

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_task_of_asyncio_is_where_it_says),
        cmocka_unit_test(every_task_of_trio_is_where_it_says),
    };
    if (argc < 2)
        return 2;
    tasks_script = argv[1];
    return cmocka_run_group_tests(tests, find_pythons, forget_pythons);
}
