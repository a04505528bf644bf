/* SPDX-License-Identifier: MIT */
/* The tests that pytest says it runs, through PYTEST_CURRENT_TEST. Internal to shim/. */
#ifndef RACEWATCH_SHIM_TEST_TABLE_H
#define RACEWATCH_SHIM_TEST_TABLE_H

#define RW_TEST_VARIABLE "PYTEST_CURRENT_TEST"

/* The variable was set to "file.py::test (phase)", or, with NULL, unset. */
void rw_test_told(const char *value, const void *return_address);

/* The name in such a value, without the phase. `name` has RW_TEST_NAME_MAX bytes. */
void rw_test_name(char *name, const char *value);

#endif
