/* SPDX-License-Identifier: MIT */
/*
 * Text from the watched program may hold any byte. These two functions are all that stands between it and a
 * JSON string or a terminal. Any thread; allocation by talloc, abort() where memory runs out (model.h says
 * why).
 */
#ifndef RACEWATCH_TOOLS_INCIDENT_UTF8_H
#define RACEWATCH_TOOLS_INCIDENT_UTF8_H

/* `text` with each byte that is not part of a well-formed UTF-8 character written as \xNN; NULL for NULL.
 * Well-formed text comes back equal, so doing it twice changes nothing. */
char *rw_utf8_escape(void *ctx, const char *text);

/* The same for a line that people read: control characters become \n, \t, \xNN as well, so that a name
 * can neither break a line nor talk to a terminal. */
char *rw_line_escape(void *ctx, const char *text);

#endif
