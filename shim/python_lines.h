/* SPDX-License-Identifier: MIT */
/*
 * Sees each line of the program's Python code before it is run, where a schedule is bent: line_point.h says
 * what is done there. Installed is nothing where none is bent. Internal to the interpreter hooks.
 *
 * From 3.12 on by sys.monitoring, in each interpreter, with a tool id that is free: trace functions, coverage
 * and debuggers go on beside it. Up to 3.11 by a trace function in C of each thread that Python makes; there
 * a program that sets one itself has the precedence, and no line of that thread is seen from then on.
 */
#ifndef RACEWATCH_SHIM_PYTHON_LINES_H
#define RACEWATCH_SHIM_PYTHON_LINES_H

#include "shim/elf_module.h"

/* In the constructor, or before Python runs. `module` defines Python. */
void rw_python_lines_install(const struct rw_elf_module *module);

#endif
