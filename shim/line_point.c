/* SPDX-License-Identifier: MIT */
#include "shim/line_point.h"

#include "shim/perturb_delay.h"
#include "shim/serial.h"
#include "shim/serial_log.h"

bool rw_line_is_wanted(void)
{
    return rw_perturb_mode != RW_PERTURB_OFF;
}

uint32_t rw_line_source(const char *file, const char *function)
{
    return rw_perturb_mode == RW_PERTURB_SERIAL ? rw_serial_log_source(file, function) : 0;
}

bool rw_line_comes(uint32_t source, uint32_t line)
{
    switch (rw_perturb_mode) {
    case RW_PERTURB_SERIAL:
        return rw_serial_line(source, line);
    case RW_PERTURB_DELAY:
        return rw_delay_is_due_at_line();
    default:
        return false;
    }
}

void rw_line_left(void)
{
    if (rw_perturb_mode == RW_PERTURB_SERIAL)
        rw_serial_line_left();
    else if (rw_perturb_mode == RW_PERTURB_DELAY)
        rw_delay_at_line();
}

void rw_line_seen_by(enum rw_schedule_lines lines)
{
    if (rw_perturb_mode == RW_PERTURB_SERIAL)
        rw_serial_log_lines(lines);
}

void rw_line_displaced(void)
{
    if (rw_perturb_mode == RW_PERTURB_SERIAL)
        rw_serial_log_lines_displaced();
}
