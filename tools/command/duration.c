/* SPDX-License-Identifier: MIT */
#include "tools/command/duration.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

bool rw_parse_duration(const char *text, double *seconds)
{
    static const struct {
        const char *unit;
        double seconds;
    } units[] = {{"", 1}, {"s", 1}, {"m", 60}, {"h", 3600}};
    char *end;
    double number = strtod(text, &end);
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++)
        if (end != text && strcmp(end, units[i].unit) == 0 && number > 0 && number < 1e7) {
            *seconds = number * units[i].seconds;
            return true;
        }
    return false;
}
