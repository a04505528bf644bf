/* SPDX-License-Identifier: MIT */
/* A program with Python inside: makes a subinterpreter, destroys it, finalises. With LIBPYTHON defined it is
 * linked to libpython; without, it loads the one that its argument names. "threaded" as last argument: has a
 * second thread before it loads Python. */
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#ifdef LIBPYTHON
void Py_Initialize(void);
void *Py_NewInterpreter(void);
void Py_EndInterpreter(void *);
int Py_FinalizeEx(void);
void *PyThreadState_Get(void);
void *PyThreadState_Swap(void *);
int PyRun_SimpleStringFlags(const char *, void *);
#define FUNCTION(library, name) (name)
#else
#define FUNCTION(library, name) ((name##_type)dlsym(library, #name))
typedef void (*Py_Initialize_type)(void);
typedef void *(*Py_NewInterpreter_type)(void);
typedef void (*Py_EndInterpreter_type)(void *);
typedef int (*Py_FinalizeEx_type)(void);
typedef void *(*PyThreadState_Get_type)(void);
typedef void *(*PyThreadState_Swap_type)(void *);
typedef int (*PyRun_SimpleStringFlags_type)(const char *, void *);
#endif

/* Destroys another one through an extension module: seen even where the program's own calls are not. */
static const char script[] = "import sys\n"
                             "try:\n"
                             "    import _testcapi\n"
                             "    _testcapi.run_in_subinterp('pass')\n"
                             "except ImportError:\n"
                             "    print('no _testcapi')\n";

static void *do_nothing(void *argument)
{
    return argument;
}

int main(int argc, char **argv)
{
    void *library = NULL;
    if (strcmp(argv[argc - 1], "threaded") == 0) {
        pthread_t thread;
        pthread_create(&thread, NULL, do_nothing, NULL);
        pthread_join(thread, NULL);
    }
#ifndef LIBPYTHON
    library = dlopen(argv[1], RTLD_NOW | RTLD_GLOBAL);
    if (!library) {
        fprintf(stderr, "%s\n", dlerror());
        return 2;
    }
#endif
    (void)library;
    FUNCTION(library, Py_Initialize)();
    void *main_state = FUNCTION(library, PyThreadState_Get)();
    void *state = FUNCTION(library, Py_NewInterpreter)();
    if (!state)
        return 3;
    FUNCTION(library, Py_EndInterpreter)(state);
    FUNCTION(library, PyThreadState_Swap)(main_state);
    FUNCTION(library, PyRun_SimpleStringFlags)(script, NULL);
    return FUNCTION(library, Py_FinalizeEx)();
}
