/* SPDX-License-Identifier: MIT */
/*
 * look PID COUNT SECONDS TRUTH [RECORDING]: looks at the process so many times, as the monitor does, or for
 * so long, and checks each look (truth.h). Prints the counts on one line, then what was wrong. Exit status: 0
 * nothing, 1 something, 2 it could not look.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <talloc.h>

#include "tests/churn/truth.h"
#include "tools/incident/model.h"
#include "tools/monitor/capture.h"
#include "tools/recording/reader.h"

static double seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

int main(int argc, char **argv)
{
    if (argc < 5)
        return 2;
    struct rw_capture_target target = {.pid = atoi(argv[1])};
    struct rw_capture_plan plan = {
        .targets = &target,
        .target_count = 1,
        .trigger = "dump",
        .trigger_detail = "a test",
        .native = true,
        .python = true,
    };
    char *why = NULL;
    struct truth *truth = truth_read(NULL, argv[4]);
    if (!truth || (argc > 5 && rw_reader_open(argv[5], &target.reader, &why) != 0)) {
        fprintf(stderr, "look: %s\n", why ? why : "the truth cannot be read");
        return 2;
    }
    static struct tally tally;
    double begin = seconds();
    int status = 0;
    while (tally.looks < (size_t)atoi(argv[2]) && seconds() - begin < atof(argv[3])) {
        if (target.reader)
            rw_reader_refresh(target.reader);
        struct rw_incident *incident = rw_capture_now(NULL, &plan);
        const struct rw_process_info *process = &incident->processes[0];
        tally.looks++;
        if (!process->is_alive) {
            printf("the process is gone at look %zu\n", tally.looks);
            status = 2;
            break;
        }
        if (process->python_note || !process->python) {
            printf("look %zu: %s\n", tally.looks, process->python_note ? process->python_note : "no Python");
            for (size_t i = 0; i < process->note_count; i++)
                printf("    %s\n", process->notes[i]);
            status = 1;
        }
        truth_check(truth, process, &tally);
        talloc_free(incident);
    }
    printf("looks=%zu standing=%zu missing=%zu moving=%zu torn=%zu unmerged=%zu wrong=%zu seconds=%.1f\n",
           tally.looks, tally.standing, tally.missing, tally.moving, tally.torn, tally.unmerged, tally.wrong,
           seconds() - begin);
    for (size_t i = 0; i < tally.wrong && i < sizeof tally.first_wrong / sizeof tally.first_wrong[0]; i++)
        printf("%s\n", tally.first_wrong[i]);
    rw_reader_close(target.reader);
    talloc_free(truth);
    return status ? status : tally.wrong > 0;
}
