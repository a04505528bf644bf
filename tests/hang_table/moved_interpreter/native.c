/* SPDX-License-Identifier: MIT */
/* Makes an interpreter with a GIL of its own, and imports a module in it on another thread, which it joins
 * without letting go of the main interpreter's GIL. The declarations are CPython's; its headers need not be
 * installed. */
#include <pthread.h>

typedef struct PyThreadState PyThreadState;
typedef struct {
    int use_main_obmalloc, allow_fork, allow_exec, allow_threads, allow_daemon_threads;
    int check_multi_interp_extensions;
    int gil;
} PyInterpreterConfig;
typedef struct {
    int type;
    const char *function, *message;
    int exit_code;
} PyStatus;

PyThreadState *PyThreadState_Get(void);
PyThreadState *PyThreadState_Swap(PyThreadState *);
PyStatus Py_NewInterpreterFromConfig(PyThreadState **, const PyInterpreterConfig *);
int PyRun_SimpleStringFlags(const char *, void *);

static PyThreadState *moved;

static void *import_there(void *unused)
{
    (void)unused;
    pthread_setname_np(pthread_self(), "importer");
    PyThreadState_Swap(moved);
    PyRun_SimpleStringFlags("import random", NULL);
    return NULL;
}

int move_interpreter(void)
{
    const PyInterpreterConfig own_gil = {.check_multi_interp_extensions = 1, .gil = 2};
    PyThreadState *here = PyThreadState_Get();
    pthread_t thread;
    if (Py_NewInterpreterFromConfig(&moved, &own_gil).type != 0)
        return 1;
    PyThreadState_Swap(here);
    pthread_create(&thread, NULL, import_there, NULL);
    pthread_join(thread, NULL); /* HERE joins */
    return 0;
}
