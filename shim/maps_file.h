/* SPDX-License-Identifier: MIT */
/*
 * What was mapped where, beside the recording: without it the addresses in a recording cannot be named once
 * the process is gone. It is the monitor's to save and to keep up to date; the shim saves it, once, where
 * there is no monitor, or where the monitor may come too late. Internal to shim/; one thread at a time.
 */
#ifndef RACEWATCH_SHIM_MAPS_FILE_H
#define RACEWATCH_SHIM_MAPS_FILE_H

/* Does nothing while the session's monitor lives. What fails is not told: a post-mortem says that there is no
 * map. */
void rw_maps_save_unless_watched(void);

/* The same whether or not the monitor lives. Leaves alone what is there already. */
void rw_maps_save(void);

/* The same in the place of what is there. */
void rw_maps_save_anew(void);

#endif
