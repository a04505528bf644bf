/* SPDX-License-Identifier: MIT */
/*
 * The processes of a run, as their recordings in the session's folder tell of them: found by listing
 * the folder, after the first second by inotify, with a list now and then in case it missed one. A watched
 * image is one recording: a process that execs is a new one.
 */
#ifndef RACEWATCH_TOOLS_MONITOR_WATCH_H
#define RACEWATCH_TOOLS_MONITOR_WATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shim/recording.h"

struct rw_reader;

/* What a look at a slot remembers for the next one. */
struct rw_slot_view {
    uint32_t state;
    uint32_t generation;
    int tid;
    uint64_t pthread;
    uint64_t since_ns;
    uint64_t transitions;
    struct rw_wait wait;
    struct rw_interpreter_call call;
    uint64_t looked_since_ns; /* the wait that an early look has covered already */
    uint64_t cycle_since_ns;  /* the wait that was looked at as part of a possible cycle */
};

struct rw_watched {
    int pid;
    int own_pid;       /* in its own PID namespace: what its recording tells of is counted so */
    bool is_elsewhere; /* in another PID namespace: the recording's TIDs mean other threads here */
    int pidfd;
    char *file; /* name in the session's folder */
    char *path;
    char *maps;               /* path of the saved maps */
    char *schedule;           /* path of what serial mode decided; not there without that mode */
    uint64_t created_ns;      /* from the file's name: tells two images of a pid apart */
    struct rw_reader *reader; /* NULL until the recording is ready */
    bool is_over;             /* ended, or another image took its place */
    bool was_replaced;        /* by an exec */
    bool was_gone;            /* when it was met first */
    bool is_kept;             /* an incident refers to its recording */
    uint64_t seen_ns;
    uint64_t maps_generation; /* dl_generation of the saved maps, plus one */
    uint64_t alive_ns;        /* when it was last found to live */
    uint64_t told_seen_ns;    /* when the recording was last told that the process lives */

    /* progress.c */
    struct rw_slot_view *slots;
    size_t slot_count;
    struct rw_test test; /* the test that runs, number 0 if none */
    uint64_t progress;
    uint64_t cpu_ns; /* at cpu_from_ns */
    uint64_t cpu_from_ns;
    uint64_t moved_ns; /* when something in it moved last */

    uint64_t accounts_taken; /* accounts.c: of rw_header.accounts_written */
    bool wants_names;        /* a thread in them has none yet */

    /* triggers.c */
    struct rw_rules {
        uint64_t test_number;    /* the test that the times below are about */
        uint64_t test_next_ns;   /* not before this for a long test; UINT64_MAX: told already */
        uint64_t runner_next_ns; /* the same for the runner's own time-out */
        uint64_t exit_next_ns;
        uint64_t stuck_ns; /* the moment of rw_header.serial_stuck_ns that was looked at */
        uint64_t early_next_ns;
        uint64_t early_gap_ns;  /* doubles with each fruitless early look */
        uint64_t aside_next_ns; /* the same for looks at threads beside the one that does the work: */
        uint64_t aside_gap_ns;  /* they do not begin anew with each test */
        uint64_t again_next_ns; /* an early look at nothing but the same waits */
        uint64_t again_gap_ns;
        uint64_t reported_ns; /* when an incident last named it */
        bool is_crash_told;
        uint64_t misuses_seen;   /* rw_header.misuses when the table was looked through */
        bool misuses_wait;       /* some entry is not ripe yet */
        uint64_t misuses_told;   /* a bit for each entry of the table */
        double runner_timeout_s; /* pytest's --timeout; 0 none, -1 not looked for yet */
    } rules;
};

struct rw_watch;

/* `path` is the session's folder. A talloc object. */
struct rw_watch *rw_watch_new(void *parent, const char *path);

/* Finds new recordings and processes that are gone. `rescan`: list the folder too. */
void rw_watch_update(struct rw_watch *watch, uint64_t now_ns, bool rescan);

size_t rw_watch_count(const struct rw_watch *watch); /* all images, those that are over included */
struct rw_watched *rw_watch_at(const struct rw_watch *watch, size_t index);
struct rw_watched *rw_watch_find(const struct rw_watch *watch, int pid); /* the living image, or NULL */
size_t rw_watch_living(const struct rw_watch *watch);

/* Keeps the maps for a post-mortem, where they may have changed. */
void rw_watched_save_maps(struct rw_watched *watched);

/* Whether some recording could not be opened because there are too many open files. */
bool rw_watch_lacks_descriptors(const struct rw_watch *watch);

/* Whether there are recordings of processes in other pid namespaces that could not be found among the
 * processes here. Those are not watched. Clearing removes them. */
bool rw_watch_has_elsewhere(const struct rw_watch *watch);
void rw_watch_clear_elsewhere(struct rw_watch *watch);

/* No process will come any more that could use a forgotten one's file again. */
void rw_watch_ends(struct rw_watch *watch);

/* Forgets an image: closes and unlinks its files unless it is kept. The pointer is dead
 * afterwards. */
void rw_watch_forget(struct rw_watch *watch, struct rw_watched *watched);

#endif
