/* SPDX-License-Identifier: MIT */
#include "shim/python_api.h"

#include <stddef.h>

static struct {
    int (*is_initialized)(void);
    int64_t (*interpreter_id)(void *interpreter);
    void *(*current)(void);    /* the current thread state, unchecked */
    void *(*registered)(void); /* the one that the thread is registered with */
    bool current_is_thread_local;
    struct rw_elf_function start_new_thread;
    void *(*save_thread)(void);
    void (*restore_thread)(void *state);
    uintptr_t code, code_size;
} api;

static uintptr_t function(const struct rw_elf_module *module, const char *name)
{
    struct rw_elf_function found;
    return rw_elf_module_function(module, name, &found) ? found.address : 0;
}

void rw_python_api_load(const struct rw_elf_module *module)
{
    api.is_initialized = (int (*)(void))function(module, "Py_IsInitialized");
    api.interpreter_id = (int64_t(*)(void *))function(module, "PyInterpreterState_GetID");
    api.registered = (void *(*)(void))function(module, "PyGILState_GetThisThreadState");
    uintptr_t current = function(module, "PyThreadState_GetUnchecked"); /* 3.13 */
    if (!current)
        current = function(module, "_PyThreadState_UncheckedGet");
    /* Came in 3.12, as the thread-local thread state did. */
    api.current_is_thread_local = function(module, "Py_NewInterpreterFromConfig") != 0;
    if (!rw_elf_module_function(module, "PyThread_start_new_thread", &api.start_new_thread))
        api.start_new_thread = (struct rw_elf_function){0, 0};
    api.save_thread = (void *(*)(void))function(module, "PyEval_SaveThread");
    api.restore_thread = (void (*)(void *))function(module, "PyEval_RestoreThread");
    const Elf64_Phdr *segment = rw_elf_module_segment(module, current, 1);
    if (segment) {
        api.code = module->base + segment->p_vaddr;
        api.code_size = segment->p_memsz;
    }
    /* Last: other threads may run where Python was loaded late, and without this one the rest is not asked.
     */
    __atomic_store_n(&api.current, (void *(*)(void))current, __ATOMIC_RELEASE);
}

bool rw_python_is_initialized(void)
{
    return api.is_initialized && api.is_initialized() != 0;
}

uint64_t rw_python_interpreter_id(void *interpreter)
{
    return interpreter && api.interpreter_id ? (uint64_t)api.interpreter_id(interpreter)
                                             : RW_INTERPRETER_ID_UNKNOWN;
}

bool rw_python_is_code(uintptr_t address)
{
    return __atomic_load_n(&api.current, __ATOMIC_ACQUIRE) && address - api.code < api.code_size;
}

void *rw_python_detach(void)
{
    return api.save_thread && api.restore_thread && rw_python_current(0) ? api.save_thread() : NULL;
}

void rw_python_attach(void *state)
{
    if (state)
        api.restore_thread(state);
}

void *rw_python_attached(void)
{
    void *(*const get)(void) = __atomic_load_n(&api.current, __ATOMIC_ACQUIRE);
    return get ? get() : NULL;
}

struct rw_python_thread_state *rw_python_current(uintptr_t caller)
{
    void *const current = rw_python_attached();
    if (!current || api.current_is_thread_local)
        return current;
    if (caller - api.start_new_thread.address < api.start_new_thread.size)
        return current;
    return api.registered && api.registered() == current ? current : NULL;
}
