/* SPDX-License-Identifier: MIT */
/*
 * Sees what the program asks dlsym for. dlsym answers RTLD_NEXT by its caller, so it must never be called on
 * the program's behalf: the wrapper (dlsym_entry.S) looks, and jumps to the real one as if it had not been
 * there.
 */
#ifndef RACEWATCH_SHIM_DLSYM_WATCH_H
#define RACEWATCH_SHIM_DLSYM_WATCH_H

/*
 * From now on `seen` is called before each dlsym of a name that begins with "Py": what imports an extension
 * module asks for PyInit_NAME, what loads Python itself for Py_Initialize. Any thread calls it, also two at
 * once. NULL ends it.
 */
void rw_dlsym_watch(void (*seen)(void *handle, const char *name));

#endif
