/* SPDX-License-Identifier: MIT */
/* The tests that pytest says it runs, through PYTEST_CURRENT_TEST, and which worker of a run says so.
 * Internal to shim/. */
#ifndef RACEWATCH_SHIM_TEST_TABLE_H
#define RACEWATCH_SHIM_TEST_TABLE_H

#define RW_TEST_VARIABLE "PYTEST_CURRENT_TEST"

#define RW_WORKER_VARIABLE "PYTEST_XDIST_WORKER"

/* The process calls itself a worker: what it set that variable to. */
void rw_test_worker_told(const char *value);

/* The variable was set to "file.py::test (phase)", or, with NULL, unset. */
void rw_test_told(const char *value, const void *return_address);

/* The name in such a value, without the phase. `name` has RW_TEST_NAME_MAX bytes. */
void rw_test_name(char *name, const char *value);

#endif
