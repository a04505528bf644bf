/* SPDX-License-Identifier: MIT */
#ifndef RACEWATCH_TOOLS_COMMAND_ARCHIVE_H
#define RACEWATCH_TOOLS_COMMAND_ARCHIVE_H

/*
 * A compressed tar archive that is being written, by way of libarchive. That library is loaded when the first
 * archive is opened and not with the program: with it come libxml2, ICU and libstdc++, some 45 MiB of address
 * space and 2 ms, which each monitor would pay for. Only in racewatch's own processes, from one thread.
 */
struct rw_archive;

/*
 * Creates file, whose name says the compression: zstd for .zst, else gzip. The caller owns what is returned,
 * and closes it. NULL: what was wrong is in *error, which lives as long as the program or until the next
 * call.
 */
struct rw_archive *rw_archive_open(const char *file, const char **error);

/* Each adds a file of mode 0600, dated now or as path is. -1: it could not be written; rw_archive_error says
 * why. */
int rw_archive_add_text(struct rw_archive *, const char *name, const char *text);

/*
 * The same with what a regular file holds. One that is not there any more or is no regular file adds nothing,
 * and is no error; one that shrinks meanwhile is filled up with zeros, and one that grows is cut: its size
 * has been written before.
 */
int rw_archive_add_file(struct rw_archive *, const char *name, const char *path);

/* What went wrong last; owned by the archive. */
const char *rw_archive_error(struct rw_archive *);

/* Writes the end. -1 as above. */
int rw_archive_finish(struct rw_archive *);

/* Frees it. */
void rw_archive_close(struct rw_archive *);

#endif
