/* SPDX-License-Identifier: MIT */
/* The two clocks. Any thread may ask; nothing fails. */
#ifndef RACEWATCH_TOOLS_BASICS_CLOCK_H
#define RACEWATCH_TOOLS_BASICS_CLOCK_H

#include <stdint.h>

/* CLOCK_MONOTONIC, which is the clock of recordings too. */
uint64_t rw_now_ns(void);
double rw_now_s(void);

/* Seconds since 1970. */
double rw_realtime_s(void);

#endif
