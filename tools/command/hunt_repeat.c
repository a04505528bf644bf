/* SPDX-License-Identifier: MIT */
/* How often the seed of a failure fails again. With delays the machine has a say in it, so it is counted. */
#include <errno.h>

#include "tools/basics/clock.h"
#include "tools/command/hunt.h"

#define LONGEST_S 20.0 /* for each failure; a hang costs seconds */

int rw_hunt_repeat(struct hunt *hunt, char **why)
{
    for (size_t i = 0; i < hunt->failure_count; i++) {
        struct hunt_failure *failure = &hunt->failures[i];
        double end_s = rw_now_s() + LONGEST_S;
        while (failure->perturbed > 0 && failure->reruns < hunt->rerun_limit && rw_now_s() < end_s) {
            int again = rw_hunt_rerun(hunt, failure, NULL, why);
            if (again < 0)
                return again == -EINTR ? 0 : again;
            failure->reruns++;
            failure->again += (size_t)again;
        }
    }
    return 0;
}
