/* SPDX-License-Identifier: MIT */
/* The numbers of a recording as the words of the model. */
#include "tools/recording/model.h"

#define WORD(table, number) ((number) < sizeof(table) / sizeof((table)[0]) ? (table)[number] : NULL)

const char *rw_thread_state_word(uint32_t thread_state)
{
    static const char *const words[] = {
        [RW_THREAD_NEW] = "new",       [RW_THREAD_RUNNING] = "running", [RW_THREAD_WAITING] = "waiting",
        [RW_THREAD_EXITED] = "exited", [RW_THREAD_JOINED] = "joined",   [RW_THREAD_DETACHED] = "detached",
    };
    return WORD(words, thread_state);
}

const char *rw_wait_kind_word(uint32_t wait_kind)
{
    static const char *const words[] = {
        [RW_WAIT_MUTEX] = "mutex",    [RW_WAIT_RWLOCK_READ] = "rwlock",  [RW_WAIT_RWLOCK_WRITE] = "rwlock",
        [RW_WAIT_COND] = "condition", [RW_WAIT_SEMAPHORE] = "semaphore", [RW_WAIT_BARRIER] = "barrier",
        [RW_WAIT_JOIN] = "join",      [RW_WAIT_FORK] = "fork",
    };
    return WORD(words, wait_kind);
}

const char *rw_event_word(uint32_t event_kind)
{
    static const char *const words[] = {
        [RW_EVENT_THREAD_CREATE] = "thread-create",
        [RW_EVENT_THREAD_START] = "thread-start",
        [RW_EVENT_THREAD_EXIT] = "thread-exit",
        [RW_EVENT_THREAD_JOIN_BEGIN] = "join-begin",
        [RW_EVENT_THREAD_JOIN_END] = "join-end",
        [RW_EVENT_THREAD_DETACH] = "detach",
        [RW_EVENT_THREAD_RENAME] = "rename",
        [RW_EVENT_INTERPRETER_NEW_BEGIN] = "interpreter-new-begin",
        [RW_EVENT_INTERPRETER_NEW_END] = "interpreter-new-end",
        [RW_EVENT_INTERPRETER_DESTROY_BEGIN] = "interpreter-destroy-begin",
        [RW_EVENT_INTERPRETER_DESTROY_END] = "interpreter-destroy-end",
        [RW_EVENT_FINALIZE_BEGIN] = "finalize-begin",
        [RW_EVENT_FINALIZE_END] = "finalize-end",
        [RW_EVENT_MAIN_RETURNED] = "main-returned",
        [RW_EVENT_EXIT_BEGIN] = "exit-begin",
        [RW_EVENT_FORK] = "fork",
        [RW_EVENT_FORKED] = "forked",
        [RW_EVENT_SPAWN] = "spawn",
        [RW_EVENT_EXEC] = "exec",
        [RW_EVENT_EXEC_FAILED] = "exec-failed",
        [RW_EVENT_LIBRARY_LOADED] = "library-loaded",
        [RW_EVENT_TEST_BEGIN] = "test-begin",
        [RW_EVENT_TEST_PHASE] = "test-phase",
        [RW_EVENT_TEST_END] = "test-end",
        [RW_EVENT_WAIT] = "wait",
    };
    return WORD(words, event_kind);
}

const char *rw_test_phase_word(uint32_t phase)
{
    static const char *const words[] = {
        [RW_PHASE_SETUP] = "setup",
        [RW_PHASE_CALL] = "call",
        [RW_PHASE_TEARDOWN] = "teardown",
    };
    return WORD(words, phase);
}

const char *rw_interpreter_state_word(uint32_t state)
{
    static const char *const words[] = {
        [RW_INTERPRETER_CREATING] = "creating",
        [RW_INTERPRETER_ALIVE] = "alive",
        [RW_INTERPRETER_DESTROYING] = "destroying",
        [RW_INTERPRETER_DESTROYED] = "destroyed",
    };
    return WORD(words, state);
}

const char *rw_interpreter_op_word(uint32_t op)
{
    static const char *const words[] = {
        [RW_OP_NEW] = "new",
        [RW_OP_DESTROY] = "destroy",
        [RW_OP_FINALIZE] = "finalize",
    };
    return WORD(words, op);
}

const char *rw_misuse_word(uint32_t kind)
{
    static const char *const words[RW_MISUSE_KINDS] = {
        [RW_MISUSE_LATE_THREAD] = "late-thread",
        [RW_MISUSE_INTERPRETER_AGAIN] = "interpreter-destroyed-again",
        [RW_MISUSE_JOIN_JOINED] = "join-of-joined",
        [RW_MISUSE_JOIN_DETACHED] = "join-of-detached",
        [RW_MISUSE_DETACH_GONE] = "detach-of-gone",
        [RW_MISUSE_MUTEX_DESTROYED] = "mutex-destroyed",
        [RW_MISUSE_CONDITION_DESTROYED] = "condition-destroyed",
        [RW_MISUSE_SEMAPHORE_DESTROYED] = "semaphore-destroyed",
        [RW_MISUSE_FOREIGN_UNLOCK] = "foreign-unlock",
        [RW_MISUSE_FORK_LOCK] = "fork-lock",
        [RW_MISUSE_INTERPRETER_OUTLIVED] = "interpreter-outlived",
    };
    return WORD(words, kind);
}

const char *rw_hook_name(uint32_t hook)
{
    static const char *const names[RW_HOOK_COUNT] = {
        [RW_HOOK_Py_NewInterpreter] = "Py_NewInterpreter",
        [RW_HOOK_Py_NewInterpreterFromConfig] = "Py_NewInterpreterFromConfig",
        [RW_HOOK__PyXI_NewInterpreter] = "_PyXI_NewInterpreter",
        [RW_HOOK_Py_EndInterpreter] = "Py_EndInterpreter",
        [RW_HOOK__PyXI_EndInterpreter] = "_PyXI_EndInterpreter",
        [RW_HOOK_Py_FinalizeEx] = "Py_FinalizeEx",
        [RW_HOOK_Py_Exit] = "Py_Exit",
        [RW_HOOK__Py_NewInterpreter] = "_Py_NewInterpreter",
    };
    return WORD(names, hook);
}
