/* SPDX-License-Identifier: MIT */
/*
 * racewatch hunt: one program, run many times, and what went wrong how often. Each run is a `racewatch run`
 * of its own, in a process group of its own, with its output in files. Internal to tools/command; everything
 * is a talloc child of struct hunt.
 */
#ifndef RACEWATCH_TOOLS_COMMAND_HUNT_H
#define RACEWATCH_TOOLS_COMMAND_HUNT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tools/command/child_run.h"
#include "tools/incident/incident.h"
#include "tools/options/options.h"

struct json_t;

enum hunt_how { HUNT_PLAIN = 0, HUNT_DELAY, HUNT_SERIAL };

/* A way to fail. Two runs failed alike if their keys are equal. */
struct hunt_failure {
    const char *key;
    const char *what;     /* "hangs", "crashes", "fails", "races" */
    const char *class;    /* of the verdict, or "exit" where there was no incident */
    const char *sentence; /* the verdict's, or how it ended */
    const char *test;     /* NULL: none */
    const char *path;     /* what was kept of the first one; NULL: nothing could be */
    const char *report;   /* its report, NULL if there is none */
    uint64_t seed;        /* of the first perturbed run that failed so */
    const char *steer;    /* the option of that run; NULL: it had none */
    enum hunt_how how;    /* that run; HUNT_PLAIN: only plain ones did so far */
    size_t perturbed, plain;
    size_t again, reruns;       /* of that seed: how many failed alike, of how many */
    const char *minimal;        /* a schedule that is enough to fail so; NULL: none was looked for or found */
    const char *switches;       /* what it takes, for people */
    const char *unminimised;    /* why there is no such schedule, or perhaps a smaller one; NULL: neither */
    struct json_t *switch_list; /* the same for hunt.json; released with it */
};

/* A ring of lock orders that a run told, and whether it can be made to hang. */
struct hunt_candidate {
    const char *key;   /* its places; rings with the same ones are the same */
    const char *steer; /* the option that makes threads meet there; NULL: their calls are not known */
    const char **places;
    size_t place_count;
    bool has_gil; /* it is one of the locks */
    size_t runs;  /* that were steered to it */
    size_t run;   /* in which one of all perturbed runs it hung; 0: none yet */
    uint64_t seed;
};

struct hunt {
    char *const *command;
    const char *name;    /* the program as a report may name it */
    const char *out;     /* absolute */
    bool made_out;       /* it was not there before */
    const char *scratch; /* the folder of the run that goes on, in `out` */
    const struct rw_options *options;
    bool alternates; /* between delays and serial */
    bool stops_early;
    enum hunt_how how;
    uint64_t first_seed;
    size_t run_limit, plain_limit;      /* SIZE_MAX: none */
    size_t rerun_limit, minimise_limit; /* runs for each failure, once the hunt is over */
    double time_limit;                  /* s; 0: none */

    double begin_s;
    size_t runs, plain_runs, failed_runs;
    double longest_s; /* of the undisturbed runs that did not fail; of all such where none was undisturbed */
    struct hunt_failure *failures;
    size_t failure_count;
    struct hunt_candidate *candidates;
    size_t candidate_count;
    struct hunt_candidate *aim; /* of the run that goes on; NULL: none */
    size_t kept;
    struct rw_child_signals signals;
    bool is_interrupted; /* SIGINT, SIGTERM or SIGHUP came */
};

/* One run; counts it, and what it failed by. 0; -EINTR: a signal to us ended it, and it counts for nothing;
 * another negative errno: it could not be run. *why is then a talloc child of hunt. */
int rw_hunt_run(struct hunt *hunt, enum hunt_how how, uint64_t seed, char **why);

/* Finds out whether the run that has just ended with `status` (as `racewatch run` returns it) failed, and
 * counts it. `is_endless`: it had to be ended by us. The folder of the first run that failed in a new way is
 * kept. */
bool rw_hunt_judge(struct hunt *hunt, enum hunt_how how, uint64_t seed, int status, bool is_endless);

/* Runs `failure`'s seed once more, or the choices of the file `replay`, if that is not NULL. 1: it failed
 * alike; 0: it did not; a negative errno as above. Counts nothing. What the run left is in the folder
 * `scratch` until the next one. */
int rw_hunt_rerun(struct hunt *hunt, const struct hunt_failure *failure, const char *replay, char **why);

/* Whether the run that goes on was found to hang, and no rule says why: on_hang leaves it alone then. `hunt`:
 * struct hunt. */
bool rw_hunt_is_unexplained(void *hunt);

/* Whether the run that has just ended failed as `key` says. */
bool rw_hunt_failed_alike(const struct hunt *hunt, const char *key, int status, bool is_endless);

/* Once the hunt is over: how often each failure's seed fails again, and how few switches between threads each
 * failure of serial mode takes. Bounded in runs and time. 0 or a negative errno with *why. */
int rw_hunt_repeat(struct hunt *hunt, char **why);
int rw_hunt_minimise(struct hunt *hunt, char **why);

/* hunt_candidates.c. The candidate that the next perturbed run is to be steered to; NULL: none is open. */
struct hunt_candidate *rw_hunt_aim(struct hunt *hunt);

/* An incident of the run that has just ended with this seed (HUNT_PLAIN: undisturbed): it may tell of
 * candidates, or be the hang that one of them foretold. */
void rw_hunt_candidates_see(struct hunt *hunt, enum hunt_how how, uint64_t seed,
                            const struct rw_incident *incident);

/* Whether a failure is a candidate, and no more. */
bool rw_hunt_is_candidate(const struct hunt_failure *failure);

/* A line on stderr about how far it is; on a terminal it replaces the one before. */
void rw_hunt_show_progress(const struct hunt *hunt, uint64_t seed, bool is_news);

/* The answer, on stdout, and hunt.json in the folder. */
void rw_hunt_conclude(struct hunt *hunt);

#endif
