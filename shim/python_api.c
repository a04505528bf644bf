/* SPDX-License-Identifier: MIT */
#include "shim/python_api.h"

#include <stddef.h>

#include "shim/python_hooks.h"

static struct {
    int (*is_initialized)(void);
    int64_t (*interpreter_id)(void *interpreter);
    void *(*current)(void);    /* the current thread state, unchecked */
    void *(*registered)(void); /* the one that the thread is registered with */
    bool current_is_thread_local;
    struct rw_elf_function start_new_thread;
    void *(*save_thread)(void);
    void (*restore_thread)(void *state);
    int (*line)(void *code, int offset);
    uintptr_t text_type;
    int64_t (*text_length)(void *text);
    uint32_t (*text_character)(void *text, int64_t index);
    int64_t (*tuple_length)(void *tuple);
    void *(*tuple_item)(void *tuple, int64_t index);
} api;

uintptr_t rw_python_code_begin, rw_python_code_size;

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
    api.line = (int (*)(void *, int))function(module, "PyCode_Addr2Line");
    api.text_type = rw_elf_data_defining("PyUnicode_Type");
    api.text_length = (int64_t(*)(void *))function(module, "PyUnicode_GetLength");
    api.text_character = (uint32_t(*)(void *, int64_t))function(module, "PyUnicode_ReadChar");
    api.tuple_length = (int64_t(*)(void *))function(module, "PyTuple_Size");
    api.tuple_item = (void *(*)(void *, int64_t))function(module, "PyTuple_GetItem");
    const Elf64_Phdr *segment = rw_elf_module_segment(module, current, 1);
    if (segment) {
        __atomic_store_n(&rw_python_code_begin, module->base + segment->p_vaddr, __ATOMIC_RELAXED);
        __atomic_store_n(&rw_python_code_size, segment->p_memsz, __ATOMIC_RELEASE);
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

void *rw_python_registered(void)
{
    return __atomic_load_n(&api.current, __ATOMIC_ACQUIRE) && api.registered ? api.registered() : NULL;
}

bool rw_python_attached_is_own(void)
{
    return api.current_is_thread_local;
}

int rw_python_line(void *code, int offset)
{
    int line = api.line ? api.line(code, offset) : 0;
    return line > 0 ? line : 0;
}

uintptr_t rw_python_text_type(void)
{
    return api.text_length && api.text_character ? api.text_type : 0;
}

int64_t rw_python_text_length(void *text)
{
    return api.text_length(text);
}

uint32_t rw_python_text_character(void *text, int64_t index)
{
    return api.text_character(text, index);
}

int64_t rw_python_tuple_length(void *tuple)
{
    return api.tuple_length && api.tuple_item ? api.tuple_length(tuple) : -1;
}

void *rw_python_tuple_item(void *tuple, int64_t index)
{
    return api.tuple_item(tuple, index);
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
