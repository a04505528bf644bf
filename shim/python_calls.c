/* SPDX-License-Identifier: MIT */
#include "shim/python_calls.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#include "shim/perturb_delay.h"
#include "shim/python_api.h"
#include "shim/python_hooks.h"
#include "shim/recorder.h"

void *rw_python_originals[RW_HOOK_COUNT];

/*
 * Some of these functions are made of others: _PyXI_NewInterpreter calls Py_NewInterpreterFromConfig. Where
 * all are patched both are seen, and are one creation; elsewhere only the outer one is seen. So the outer one
 * records, and the first call of its part within it does not.
 */
static const struct {
    enum rw_interpreter_op op;
    enum rw_hook part; /* itself: it has none */
} traits[RW_HOOK_COUNT] = {
    [RW_HOOK_Py_NewInterpreter] = {RW_OP_NEW, RW_HOOK__Py_NewInterpreter},
    [RW_HOOK__Py_NewInterpreter] = {RW_OP_NEW, RW_HOOK__Py_NewInterpreter},
    [RW_HOOK_Py_NewInterpreterFromConfig] = {RW_OP_NEW, RW_HOOK_Py_NewInterpreterFromConfig},
    [RW_HOOK__PyXI_NewInterpreter] = {RW_OP_NEW, RW_HOOK_Py_NewInterpreterFromConfig},
    [RW_HOOK_Py_EndInterpreter] = {RW_OP_DESTROY, RW_HOOK_Py_EndInterpreter},
    [RW_HOOK__PyXI_EndInterpreter] = {RW_OP_DESTROY, RW_HOOK_Py_EndInterpreter},
    [RW_HOOK_Py_FinalizeEx] = {RW_OP_FINALIZE, RW_HOOK_Py_FinalizeEx},
    [RW_HOOK_Py_Exit] = {RW_OP_FINALIZE, RW_HOOK_Py_FinalizeEx},
};

/* The innermost open call of this thread. `frame` tells whether it is still open: one that longjmp left has a
 * frame that lies no higher than that of the call that finds it here. Only compared, never read through. */
struct open_call {
    uintptr_t frame; /* 0: none */
    uint64_t interpreter;
    uint64_t id;
    enum rw_hook hook;
    bool part_came;
};
static __thread struct open_call innermost __attribute__((tls_model("initial-exec")));

static atomic_bool is_finalizing;

/* On the stack of a replacement. */
struct call {
    struct open_call self;
    struct open_call outer;
    struct rw_interpreter_call outer_recorded;
};

void rw_python_note_main(void *interpreter, uint64_t id)
{
    if (interpreter && id == 0 && !atomic_load_explicit(&is_finalizing, memory_order_relaxed))
        rw_record_interpreter(RW_INTERPRETER_ALIVE, (uintptr_t)interpreter, 0);
}

static void forget_open_calls(void)
{
    static const struct rw_interpreter_call none;
    innermost = (struct open_call){0};
    rw_interpreter_call_end(&none);
}

/* Whether a call of `hook` is the part of the open call that does its work. */
static bool is_part(enum rw_hook hook, uint64_t interpreter, uintptr_t frame)
{
    const bool fits = innermost.frame > frame && innermost.hook != hook &&
                      traits[innermost.hook].part == hook && !innermost.part_came &&
                      (traits[hook].op != RW_OP_DESTROY || innermost.interpreter == interpreter);
    innermost.part_came |= fits;
    return fits;
}

static void begin(struct call *call, enum rw_hook hook, uint64_t interpreter, uint64_t id, uintptr_t frame,
                  const void *return_address)
{
    if (innermost.frame && innermost.frame <= frame)
        forget_open_calls();
    call->self = (struct open_call){.frame = frame, .interpreter = interpreter, .id = id, .hook = hook};
    call->outer = innermost;
    innermost = call->self;
    rw_interpreter_call_begin(&call->outer_recorded, traits[hook].op, interpreter, id, return_address);
}

static void end(const struct call *call)
{
    rw_interpreter_call_end(&call->outer_recorded);
    innermost = call->outer;
}

/* Other threads go on meanwhile, so the GIL is given up for it. */
static void delay(const void *return_address)
{
    if (__builtin_expect(rw_perturb_mode != RW_PERTURB_DELAY, 1))
        return;
    void *state = rw_python_detach();
    rw_delay_at(RW_DELAY_INTERPRETER, return_address);
    rw_python_attach(state);
}

/* Every replacement needs both of its own frame, so this is a macro. */
#define HERE (uintptr_t) __builtin_frame_address(0), __builtin_return_address(0)

static void new_begins(struct call *call, enum rw_hook hook, uintptr_t frame, const void *return_address)
{
    begin(call, hook, 0, RW_INTERPRETER_ID_UNKNOWN, frame, return_address);
    rw_record_event(RW_EVENT_INTERPRETER_NEW_BEGIN, 0, RW_INTERPRETER_ID_UNKNOWN, return_address);
}

static void new_ends(const struct call *call, void *interpreter, const void *return_address)
{
    const uint64_t id = rw_python_interpreter_id(interpreter);
    if (interpreter)
        rw_record_interpreter(RW_INTERPRETER_ALIVE, (uintptr_t)interpreter, id);
    rw_record_event(RW_EVENT_INTERPRETER_NEW_END, (uintptr_t)interpreter, id, return_address);
    end(call);
}

static void *interpreter_of(const struct rw_python_thread_state *state)
{
    return state ? state->interpreter : NULL;
}

static struct rw_python_thread_state *replace_Py_NewInterpreter(void)
{
    struct rw_python_thread_state *(*original)(void) =
        (struct rw_python_thread_state * (*)(void)) rw_python_originals[RW_HOOK_Py_NewInterpreter];
    struct call call;
    delay(__builtin_return_address(0));
    new_begins(&call, RW_HOOK_Py_NewInterpreter, HERE);
    struct rw_python_thread_state *state = original();
    new_ends(&call, interpreter_of(state), __builtin_return_address(0));
    return state;
}

static struct rw_python_thread_state *replace__Py_NewInterpreter(int isolated)
{
    struct rw_python_thread_state *(*original)(int) =
        (struct rw_python_thread_state * (*)(int)) rw_python_originals[RW_HOOK__Py_NewInterpreter];
    if (is_part(RW_HOOK__Py_NewInterpreter, 0, (uintptr_t)__builtin_frame_address(0)))
        return original(isolated);
    struct call call;
    delay(__builtin_return_address(0));
    new_begins(&call, RW_HOOK__Py_NewInterpreter, HERE);
    struct rw_python_thread_state *state = original(isolated);
    new_ends(&call, interpreter_of(state), __builtin_return_address(0));
    return state;
}

/* PyStatus of 3.8 to 3.15: returned in memory that the caller provides. */
struct python_status {
    int type;
    const char *function, *message;
    int exit_code;
};

static struct python_status replace_Py_NewInterpreterFromConfig(struct rw_python_thread_state **state,
                                                                const void *config)
{
    struct python_status (*original)(struct rw_python_thread_state **, const void *) =
        (struct python_status(*)(struct rw_python_thread_state **,
                                 const void *))rw_python_originals[RW_HOOK_Py_NewInterpreterFromConfig];
    if (is_part(RW_HOOK_Py_NewInterpreterFromConfig, 0, (uintptr_t)__builtin_frame_address(0)))
        return original(state, config);
    struct call call;
    delay(__builtin_return_address(0));
    new_begins(&call, RW_HOOK_Py_NewInterpreterFromConfig, HERE);
    const struct python_status status = original(state, config);
    new_ends(&call, status.type == 0 && state ? interpreter_of(*state) : NULL, __builtin_return_address(0));
    return status;
}

static void *replace__PyXI_NewInterpreter(void *config, long *whence, void **state, void **saved_state)
{
    void *(*original)(void *, long *, void **, void **) =
        (void *(*)(void *, long *, void **, void **))rw_python_originals[RW_HOOK__PyXI_NewInterpreter];
    struct call call;
    delay(__builtin_return_address(0));
    new_begins(&call, RW_HOOK__PyXI_NewInterpreter, HERE);
    void *interpreter = original(config, whence, state, saved_state);
    new_ends(&call, interpreter, __builtin_return_address(0));
    return interpreter;
}

static void destroy_begins(struct call *call, enum rw_hook hook, void *interpreter, uintptr_t frame,
                           const void *return_address)
{
    const uint64_t id = rw_python_interpreter_id(interpreter);
    begin(call, hook, (uintptr_t)interpreter, id, frame, return_address);
    rw_check_interpreter_destroyed((uintptr_t)interpreter, id, return_address);
    if (interpreter)
        rw_record_interpreter(RW_INTERPRETER_DESTROYING, (uintptr_t)interpreter, id);
    rw_record_event(RW_EVENT_INTERPRETER_DESTROY_BEGIN, (uintptr_t)interpreter, id, return_address);
}

static void destroy_ends(const struct call *call, const void *return_address)
{
    if (call->self.interpreter)
        rw_record_interpreter(RW_INTERPRETER_DESTROYED, call->self.interpreter, call->self.id);
    rw_record_event(RW_EVENT_INTERPRETER_DESTROY_END, call->self.interpreter, call->self.id, return_address);
    rw_check_interpreter_outlived(call->self.interpreter, call->self.id, return_address);
    end(call);
}

static void replace_Py_EndInterpreter(struct rw_python_thread_state *state)
{
    void (*original)(struct rw_python_thread_state *) =
        (void (*)(struct rw_python_thread_state *))rw_python_originals[RW_HOOK_Py_EndInterpreter];
    void *interpreter = interpreter_of(state);
    struct call call;
    const bool part =
        is_part(RW_HOOK_Py_EndInterpreter, (uintptr_t)interpreter, (uintptr_t)__builtin_frame_address(0));
    if (!part) {
        delay(__builtin_return_address(0));
        destroy_begins(&call, RW_HOOK_Py_EndInterpreter, interpreter, HERE);
    }
    original(state);
    if (!part)
        destroy_ends(&call, __builtin_return_address(0));
}

static void replace__PyXI_EndInterpreter(void *interpreter, void *state, void **saved_state)
{
    void (*original)(void *, void *, void **) =
        (void (*)(void *, void *, void **))rw_python_originals[RW_HOOK__PyXI_EndInterpreter];
    struct call call;
    delay(__builtin_return_address(0));
    destroy_begins(&call, RW_HOOK__PyXI_EndInterpreter, interpreter, HERE);
    original(interpreter, state, saved_state);
    destroy_ends(&call, __builtin_return_address(0));
}

/* Finalisation ends the main interpreter; the subinterpreters' ends come as calls of Py_EndInterpreter. */
static void finalize_begins(struct call *call, enum rw_hook hook, uintptr_t frame, const void *return_address)
{
    void *interpreter = interpreter_of(rw_python_current(0));
    const uint64_t id = rw_python_interpreter_id(interpreter);
    rw_python_note_main(interpreter, id);
    atomic_store(&is_finalizing, true);
    begin(call, hook, (uintptr_t)interpreter, id, frame, return_address);
    if (interpreter)
        rw_record_interpreter(RW_INTERPRETER_DESTROYING, (uintptr_t)interpreter, id);
    rw_record_event(RW_EVENT_FINALIZE_BEGIN, (uintptr_t)interpreter, id, return_address);
    rw_record_milestone(RW_MILESTONE_FINALIZE_BEGIN);
}

static void finalize_ended(const struct open_call *call, const void *return_address)
{
    if (call->interpreter)
        rw_record_interpreter(RW_INTERPRETER_DESTROYED, call->interpreter, call->id);
    rw_record_event(RW_EVENT_FINALIZE_END, call->interpreter, call->id, return_address);
    rw_record_milestone(RW_MILESTONE_FINALIZE_END);
    atomic_store(&is_finalizing, false);
}

/* Py_Exit does not return; it is over with the finalisation in it. */
static void exit_call_ends(const void *return_address)
{
    const struct open_call call = innermost;
    finalize_ended(&call, return_address);
    forget_open_calls();
}

static int replace_Py_FinalizeEx(void)
{
    int (*original)(void) = (int (*)(void))rw_python_originals[RW_HOOK_Py_FinalizeEx];
    if (is_part(RW_HOOK_Py_FinalizeEx, 0, (uintptr_t)__builtin_frame_address(0))) {
        const int result = original();
        exit_call_ends(__builtin_return_address(0));
        return result;
    }
    if (!rw_python_is_initialized())
        return original(); /* does nothing */
    struct call call;
    delay(__builtin_return_address(0));
    finalize_begins(&call, RW_HOOK_Py_FinalizeEx, HERE);
    const int result = original();
    finalize_ended(&call.self, __builtin_return_address(0));
    end(&call);
    return result;
}

static void replace_Py_Exit(int status)
{
    void (*original)(int) = (void (*)(int))rw_python_originals[RW_HOOK_Py_Exit];
    struct call call;
    if (rw_python_is_initialized()) {
        delay(__builtin_return_address(0));
        finalize_begins(&call, RW_HOOK_Py_Exit, HERE);
    }
    original(status);
}

void rw_python_exit_begins(void)
{
    if (innermost.frame && innermost.hook == RW_HOOK_Py_Exit)
        exit_call_ends(__builtin_return_address(0));
}

#define CALL(name) [RW_HOOK_##name] = {#name, (const void *)replace_##name}
const struct rw_python_call rw_python_calls[RW_HOOK_COUNT] = {
    CALL(Py_NewInterpreter),
    CALL(_Py_NewInterpreter),
    CALL(Py_NewInterpreterFromConfig),
    CALL(_PyXI_NewInterpreter),
    CALL(Py_EndInterpreter),
    CALL(_PyXI_EndInterpreter),
    CALL(Py_FinalizeEx),
    CALL(Py_Exit),
};
