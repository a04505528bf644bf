/* SPDX-License-Identifier: MIT */
#include "tools/incident/interpreters.h"

#include <string.h>

#include "tools/incident/model.h"

/* Exported by every build of CPython that has them, so they have names even in stripped executables. */
static const struct {
    const char *function;
    bool is_finalize;
} ending_functions[] = {
    {"Py_EndInterpreter", false},
    {"_PyXI_EndInterpreter", false},
    {"Py_FinalizeEx", true},
    {"Py_Exit", true},
};

static const struct rw_interpreter_info *main_interpreter(const struct rw_process_info *process)
{
    for (size_t i = 0; i < process->interpreter_count; i++)
        if (process->interpreters[i].is_main)
            return &process->interpreters[i];
    return rw_process_find_interpreter(process, 0);
}

/* The one subinterpreter that the thread has a state in, -1 if there is none or more than one. */
static int64_t only_subinterpreter(const struct rw_process_info *process, const struct rw_thread *thread)
{
    const struct rw_interpreter_info *main = main_interpreter(process);
    int64_t found = -1;

    for (size_t i = 0; i < thread->thread_state_count; i++) {
        int64_t id = thread->thread_states[i].interpreter;

        if (id < 0 || id == found || (main && id == main->id))
            continue;
        if (found >= 0)
            return -1;
        found = id;
    }
    return found;
}

/* threading._shutdown runs in the interpreter that ends, so its frame names it. */
static int64_t shutdown_frame_interpreter(const struct rw_thread *thread)
{
    for (size_t i = 0; i < thread->python_count; i++) {
        const struct rw_python_frame *frame = &thread->python[i];

        if (frame->function && strcmp(frame->function, "_shutdown") == 0)
            return frame->interpreter;
    }
    return -1;
}

struct rw_ending rw_thread_ending(const struct rw_process_info *process, const struct rw_thread *thread)
{
    struct rw_ending ending = {.interpreter = -1};
    const struct rw_interpreter_info *main = main_interpreter(process);

    if (thread->interpreter_call && strcmp(thread->interpreter_call, "new") != 0) {
        ending.is_ending = true;
        ending.is_finalize = strcmp(thread->interpreter_call, "finalize") == 0;
        ending.interpreter = thread->interpreter_call_id;
        ending.since_ns = thread->interpreter_call_since_ns;
        ending.how = ending.is_finalize ? "the recording saw Py_FinalizeEx begin"
                                        : "the recording saw the destruction begin";
    }
    for (size_t i = 0; i < thread->native_count && !ending.is_ending; i++) {
        for (size_t j = 0;
             thread->native[i].function && j < sizeof ending_functions / sizeof *ending_functions; j++) {
            if (strcmp(thread->native[i].function, ending_functions[j].function) != 0)
                continue;
            ending.is_ending = true;
            ending.is_finalize = ending_functions[j].is_finalize;
            ending.how =
                ending.is_finalize ? "Py_FinalizeEx is on its stack" : "Py_EndInterpreter is on its stack";
        }
    }
    if (!ending.is_ending || ending.interpreter >= 0)
        return ending;
    ending.interpreter = shutdown_frame_interpreter(thread);
    if (ending.interpreter < 0)
        ending.interpreter =
            ending.is_finalize ? (main ? main->id : -1) : only_subinterpreter(process, thread);
    return ending;
}

bool rw_has_thread_states(const struct rw_process_info *process)
{
    for (size_t i = 0; i < process->interpreter_count; i++)
        if (process->interpreters[i].thread_state_count)
            return true;
    for (size_t i = 0; i < process->thread_count; i++)
        if (process->threads[i].thread_state_count)
            return true;
    return false;
}

bool rw_thread_is_in(const struct rw_process_info *process, const struct rw_thread *thread,
                     int64_t interpreter)
{
    const struct rw_interpreter_info *info = rw_process_find_interpreter(process, interpreter);

    if (interpreter < 0)
        return false;
    for (size_t i = 0; i < thread->thread_state_count; i++)
        if (thread->thread_states[i].interpreter == interpreter)
            return true;
    for (size_t i = 0; info && thread->tid != 0 && i < info->thread_state_count; i++)
        if (info->thread_state_tids[i] == thread->tid)
            return true;
    return !rw_has_thread_states(process) && !thread->is_main && thread->creator_interpreter == interpreter;
}

const struct rw_gil *rw_thread_gil(const struct rw_process_info *process, const struct rw_thread *thread)
{
    const struct rw_interpreter_info *main = main_interpreter(process);
    const struct rw_gil *found = NULL;

    for (size_t i = 0; i < process->interpreter_count; i++) {
        const struct rw_interpreter_info *interpreter = &process->interpreters[i];
        const struct rw_gil *gil = interpreter->shares_gil && main ? &main->gil : &interpreter->gil;

        if (gil->is_enabled == 0 || gil == found || !rw_thread_is_in(process, thread, interpreter->id))
            continue;
        if (found && (gil->address == 0 || gil->address != found->address))
            return NULL; /* it is in two with a GIL each: which one it wants is not known */
        found = gil;
    }
    /* A thread that has no state yet, or whose states could not be read: only one GIL is no question. */
    if (!found && process->interpreter_count == 1 && process->interpreters[0].gil.is_enabled != 0)
        found = &process->interpreters[0].gil;
    return found;
}
