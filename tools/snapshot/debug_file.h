/* SPDX-License-Identifier: MIT */
/* Separate debug files: where distributions put them, on this machine only. Callbacks for libdw. */
#ifndef RACEWATCH_TOOLS_SNAPSHOT_DEBUG_FILE_H
#define RACEWATCH_TOOLS_SNAPSHOT_DEBUG_FILE_H

#include <elfutils/libdwfl.h>

int rw_debug_file_no_elf(Dwfl_Module *module, void **user, const char *name, Dwarf_Addr base, char **file,
                         Elf **elf);

/* By build id, then by .gnu_debuglink. *user is the struct rw_module, whose has_costly_lines is set where it
 * would take long to unpack the file's lines. libdw's own function would ask a debuginfod server as well,
 * which can take minutes; a report is wanted in milliseconds. */
int rw_debug_file_find(Dwfl_Module *module, void **user, const char *name, Dwarf_Addr base, const char *file,
                       const char *debuglink, GElf_Word crc, char **found);

#endif
