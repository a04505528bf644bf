/* SPDX-License-Identifier: MIT */
/* Python programs of the tests: which Pythons there are, starting one, what it says of itself. */
#ifndef RACEWATCH_TESTS_UNIT_CPYTHON_PYTHON_PROGRAM_H
#define RACEWATCH_TESTS_UNIT_CPYTHON_PYTHON_PROGRAM_H

#include <stddef.h>
#include <sys/types.h>

#include "tools/incident/incident.h"

struct python_program {
    pid_t pid;
    int input, output;
    char *lines; /* all that it printed up to READY */
};

/* The interpreters to test with: those in RACEWATCH_TEST_PYTHONS (paths, ":" between them), python3 and
 * python3.8 to python3.15 on PATH. Each once. A group's setup finds them, and fails where there is none; its
 * teardown frees them. */
extern char **pythons;
extern size_t python_count;
int find_pythons(void **state);
int forget_pythons(void **state);

/* Starts `python script first second` and waits until it says READY. Fails the test where it does not. */
struct python_program start_python(const char *python, const char *script, const char *first,
                                   const char *second);
void end_python(struct python_program *program);

/* A whole look at it. The caller frees the incident with talloc_free. */
struct rw_incident *look_at(const struct python_program *program);
/* The same without native stacks. */
struct rw_incident *look_at_python_alone(const struct python_program *program);
/* The same with two native frames of each thread but the main one. */
struct rw_incident *look_at_cut_stacks(const struct python_program *program);

#endif
