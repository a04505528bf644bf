/* SPDX-License-Identifier: MIT */
/*
 * Text from the watched program may hold any byte. These two functions are all that stands between it and a
 * JSON string or a terminal. Any thread; allocation by talloc, abort() where memory runs out (model.h says
 * why).
 */
#ifndef RACEWATCH_TOOLS_INCIDENT_UTF8_H
#define RACEWATCH_TOOLS_INCIDENT_UTF8_H

/* Bytes of the well-formed UTF-8 character at the start of `text` (RFC 3629: shortest form, no surrogates,
 * up to U+10FFFF), 0 if there is none. Never reads past a terminating NUL; a NUL is no character. */
unsigned rw_utf8_length(const char *text);

/* `text` with each byte that is not part of such a character written as \xNN; NULL for NULL. Well-formed text
 * comes back equal, so doing it twice changes nothing. */
char *rw_utf8_escape(void *ctx, const char *text);

/* The same for a line that people read: control characters become \n, \t, \xNN as well, so that a name
 * can neither break a line nor talk to a terminal. */
char *rw_line_escape(void *ctx, const char *text);

#endif
