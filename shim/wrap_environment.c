/* SPDX-License-Identifier: MIT */
/* The environment, where pytest says which test it runs. The real call comes first: it alone decides. */
#include <stdbool.h>
#include <stdlib.h>

#include "shim/real.h"
#include "shim/test_table.h"
#include "shim/text.h"

RW_EXPORT int setenv(const char *name, const char *value, int overwrite)
{
    int result = RW_REAL_OF(setenv)(name, value, overwrite);
    if (result == 0 && overwrite && rw_text_equal(name, RW_TEST_VARIABLE))
        rw_test_told(value, __builtin_return_address(0));
    else if (result == 0 && overwrite && rw_text_equal(name, RW_WORKER_VARIABLE))
        rw_test_worker_told(value);
    return result;
}

RW_EXPORT int unsetenv(const char *name)
{
    int result = RW_REAL_OF(unsetenv)(name);
    if (result == 0 && rw_text_equal(name, RW_TEST_VARIABLE))
        rw_test_told(NULL, __builtin_return_address(0));
    return result;
}

RW_EXPORT int putenv(char *string)
{
    const char *after = rw_text_after(string, RW_TEST_VARIABLE);
    int result = RW_REAL_OF(putenv)(string);
    if (result == 0 && after && *after == '=')
        rw_test_told(after + 1, __builtin_return_address(0));
    else if (result == 0 && after && *after == '\0') /* glibc: without "=" it is unset */
        rw_test_told(NULL, __builtin_return_address(0));
    return result;
}

RW_EXPORT int clearenv(void)
{
    int result = RW_REAL_OF(clearenv)();
    if (result == 0)
        rw_test_told(NULL, __builtin_return_address(0));
    return result;
}
