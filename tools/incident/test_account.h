/* SPDX-License-Identifier: MIT */
/* The part of the incident that tells what a test left behind; incident.h says whose the memory is, and what
 * a number means that is not known. Included by incident.h, and by nobody else. */
#ifndef RACEWATCH_TOOLS_INCIDENT_TEST_ACCOUNT_H
#define RACEWATCH_TOOLS_INCIDENT_TEST_ACCOUNT_H

#include <stddef.h>
#include <stdint.h>

/* What a test left behind when it ended: made since its begin, and there a moment later still. */
struct rw_left_thread_info {
    int tid;
    const char *name; /* NULL not known */
};
struct rw_left_interpreter {
    int64_t id; /* -1 not known */
};
struct rw_left_child {
    int pid;
    const char *name; /* base name of its executable */
};
struct rw_left_open {
    int fd;
    const char *target; /* "pipe:[123]", a path; NULL not known. May be cut */
    const char *access; /* "read" "write" "both" */
};
struct rw_test_account {
    const char *test; /* "file.py::test" */
    int pid;          /* of the process that ran it */
    const char *worker;
    uint64_t number; /* of the test in that process; 0 not known */
    uint64_t begin_ns, end_ns;
    /* What there was when it began and when it ended; -1 not known */
    int threads_begin, threads_end;
    int interpreters_begin, interpreters_end;
    int descriptors_begin, descriptors_end;
    struct rw_left_thread_info *threads;
    size_t thread_count;
    struct rw_left_interpreter *interpreters;
    size_t interpreter_count;
    struct rw_left_child *children; /* watched processes that were started while it ran */
    size_t child_count;
    struct rw_left_open *descriptors;
    size_t descriptor_count;
    uint32_t not_told; /* how many more it left than are told one by one */
};

#endif
