/* SPDX-License-Identifier: MIT */
/* What a frame calls an object. Internal to tools/cpython/. */
#ifndef RACEWATCH_TOOLS_CPYTHON_NAMES_H
#define RACEWATCH_TOOLS_CPYTHON_NAMES_H

#include "tools/cpython/python.h"

/* An expression that is this object in that frame: a local, an attribute or element of one, a global, or an
 * attribute or element of one: "lock_a", "self._lock", "locks[1]". Under the incident; NULL where nothing
 * names it. */
const char *rw_py_name(struct rw_python *py, const struct rw_py_frame *frame, uint64_t object);

#endif
