/* SPDX-License-Identifier: MIT */
/* Whether py->layout is the one of the process. Internal to tools/cpython/. */
#ifndef RACEWATCH_TOOLS_CPYTHON_CHECK_H
#define RACEWATCH_TOOLS_CPYTHON_CHECK_H

#include "tools/cpython/python.h"

/* What the layout gets wrong, in words; NULL if it is to be believed: then py has the interpreters and thread
 * states. *hex: sys.hexversion, 0 where it cannot be read. Forgets what was read with another layout. */
const char *rw_py_why_not(struct rw_python *py, uint32_t *hex);

#endif
