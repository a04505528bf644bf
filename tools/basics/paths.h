/* SPDX-License-Identifier: MIT */
/* Paths. Any thread may ask. */
#ifndef RACEWATCH_TOOLS_BASICS_PATHS_H
#define RACEWATCH_TOOLS_BASICS_PATHS_H

/* What stands behind the last "/", a part of `path`; NULL of NULL. */
const char *rw_base_name(const char *path);

/* Behind the working directory where it does not begin with "/", and without any "/" at its end. A talloc
 * child of `parent`; NULL, with errno, where the working directory cannot be told. */
char *rw_absolute_path(void *parent, const char *path);

#endif
