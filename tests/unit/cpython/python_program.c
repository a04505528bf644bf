/* SPDX-License-Identifier: MIT */
#include "tests/unit/cpython/python_program.h"

#include <limits.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <talloc.h>

#include "tools/cpython/cpython.h"
#include "tools/incident/model.h"
#include "tools/snapshot/image.h"
#include "tools/snapshot/process.h"

#define OUTPUT_MAX (4u << 20)

#define PYTHONS_MAX 32

char **pythons;
size_t python_count;

static void add_python(const char *path)
{
    char real[PATH_MAX];
    if (python_count == PYTHONS_MAX || access(path, X_OK) || !realpath(path, real))
        return;
    for (size_t i = 0; i < python_count; i++)
        if (!strcmp(pythons[i], real))
            return;
    pythons[python_count++] = strdup(real);
}

int find_pythons(void **state)
{
    const char *listed = getenv("RACEWATCH_TEST_PYTHONS"), *path = getenv("PATH");
    char *list = strdup(listed ? listed : ""), *folders = strdup(path ? path : "/usr/bin"), *rest,
         candidate[PATH_MAX];
    (void)state;
    pythons = calloc(PYTHONS_MAX, sizeof *pythons);
    for (char *item = strtok_r(list, ":", &rest); item; item = strtok_r(NULL, ":", &rest))
        add_python(item);
    for (char *folder = strtok_r(folders, ":", &rest); folder; folder = strtok_r(NULL, ":", &rest)) {
        if (strstr(folder, "shims")) /* scripts that start a Python, not Pythons */
            continue;
        snprintf(candidate, sizeof candidate, "%s/python3", folder);
        add_python(candidate);
        for (int minor = 8; minor <= 15; minor++) {
            snprintf(candidate, sizeof candidate, "%s/python3.%d", folder, minor);
            add_python(candidate);
        }
    }
    free(list);
    free(folders);
    if (!python_count)
        fprintf(stderr, "no Python was found: nothing to look at\n");
    return python_count ? 0 : -1;
}

int forget_pythons(void **state)
{
    (void)state;
    while (python_count)
        free(pythons[--python_count]);
    free(pythons);
    return 0;
}

static void read_until_ready(struct python_program *program)
{
    size_t used = 0;
    program->lines = malloc(OUTPUT_MAX + 1);
    assert_non_null(program->lines);
    program->lines[0] = '\0';
    while (!strstr(program->lines, "READY\n")) {
        ssize_t got = used < OUTPUT_MAX ? read(program->output, program->lines + used, OUTPUT_MAX - used) : 0;
        if (got <= 0) {
            fprintf(stderr, "the program ended early: %s\n", program->lines);
            end_python(program);
            fail();
        }
        used += (size_t)got;
        program->lines[used] = '\0';
    }
}

struct python_program start_python(const char *python, const char *script, const char *first,
                                   const char *second)
{
    struct python_program program;
    int input[2], output[2];
    assert_int_equal(pipe(input), 0);
    assert_int_equal(pipe(output), 0);
    program.pid = fork();
    assert_true(program.pid >= 0);
    if (program.pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        dup2(input[0], 0);
        dup2(output[1], 1);
        close(input[0]), close(input[1]), close(output[0]), close(output[1]);
        execl(python, python, script, first, second, (char *)NULL);
        _exit(127);
    }
    close(input[0]);
    close(output[1]);
    program.input = input[1];
    program.output = output[0];
    read_until_ready(&program);
    return program;
}

void end_python(struct python_program *program)
{
    kill(program->pid, SIGKILL);
    waitpid(program->pid, NULL, 0);
    close(program->input);
    close(program->output);
    free(program->lines);
}

static void cut_stacks(struct rw_process_info *process)
{
    for (size_t i = 0; i < process->thread_count; i++) {
        struct rw_thread *thread = &process->threads[i];
        if (thread->is_main || thread->native_count < 3)
            continue;
        thread->native_count = 2;
        thread->stack_note = "cut";
    }
}

static struct rw_incident *look(const struct python_program *program,
                                const struct rw_snapshot_options *options, bool are_stacks_cut)
{
    struct rw_incident *incident = rw_incident_new(NULL);
    struct rw_process_info *process = rw_incident_add_process(incident, program->pid);
    struct rw_image *image;
    assert_int_equal(rw_image_open(incident, program->pid, NULL, &image), 0);
    assert_int_equal(rw_snapshot_process(incident, process, image, NULL, options), 0);
    if (are_stacks_cut)
        cut_stacks(process);
    assert_int_equal(rw_cpython_inspect(incident, process, image, NULL), 0);
    return incident;
}

struct rw_incident *look_at(const struct python_program *program)
{
    return look(program, NULL, false);
}

struct rw_incident *look_at_python_alone(const struct python_program *program)
{
    struct rw_snapshot_options options = RW_SNAPSHOT_OPTIONS_DEFAULT;
    options.native = false;
    return look(program, &options, false);
}

struct rw_incident *look_at_cut_stacks(const struct python_program *program)
{
    return look(program, NULL, true);
}
