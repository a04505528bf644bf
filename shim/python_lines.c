/* SPDX-License-Identifier: MIT */
/*
 * There is no call of the library's at which an interpreter is surely ready and its lock held. But Python
 * tells each audit event to who asked for that before it was initialised: modules are imported, code is run.
 * A thread's trace function is set by the one that makes it. All functions that are used are Python's public
 * ones; objects are only handed on.
 */
#include "shim/python_lines.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "shim/line_point.h"
#include "shim/perturb.h"
#include "shim/python_api.h"
#include "shim/python_hooks.h"
#include "shim/python_place.h"
#include "shim/recorder.h"

typedef void object; /* PyObject */

enum { INTERPRETERS = 64, TRACE_LINE = 2 /* PyTrace_LINE */, METH_FASTCALL = 0x80 };

/* PyMethodDef, the same in all versions. */
struct method {
    const char *name;
    object *(*function)(object *self, object *const *arguments, ptrdiff_t count);
    int flags;
    const char *doc;
};

typedef int trace_function(object *self, object *frame, int what, object *argument);

static struct {
    int (*add_audit_hook)(int (*hook)(const char *event, object *arguments, void *data), void *data);
    void (*dec_ref)(object *);
    void (*inc_ref)(object *);
    object *(*get_attribute)(object *, const char *name);
    const char *(*text)(object *string);
    object *(*occurred)(void); /* is an exception set? */
    void (*clear)(void);
    int (*get_extra)(object *code, ptrdiff_t index, void **extra);
    int (*set_extra)(object *code, ptrdiff_t index, void *extra);
    ptrdiff_t (*new_extra)(void (*release)(void *));
    void *(*save_thread)(void);
    void (*restore_thread)(void *state);
    object *none;
    /* Up to 3.11: */
    void (*set_trace)(trace_function *, object *);                /* of the current thread */
    int (*set_trace_of)(void *state, trace_function *, object *); /* 3.9 on */
    void *(*swap)(void *state);
    void *(*first_state)(void *interpreter);
    object *(*code_of)(object *frame); /* 3.9 on */
    int (*line_of)(object *frame);
    uint64_t (*id_of)(void *state); /* 3.9 on */
    /* From 3.12 on: */
    object *(*system_object)(const char *name);
    object *(*call_method)(object *, const char *name, const char *format, ...);
    object *(*new_function)(struct method *, object *self, object *module);
    int (*line_at)(object *code, int offset);
    long (*number)(object *);
    bool has_monitoring;
} python;

/* By the id of the interpreter. `extra`: the index of what we keep with each code object. */
static struct {
    bool is_known, is_on;
    ptrdiff_t extra;
    uint64_t newest; /* up to 3.11: the id of the last thread state that was given our trace function */
} interpreters[INTERPRETERS];

static object *disable; /* sys.monitoring.DISABLE; an object of the process, not of an interpreter */
static __thread bool is_busy __attribute__((tls_model("initial-exec")));

/* What is kept with a code object: not the program's own, or its number and this. */
enum { OTHERS = 1, OWN = 2 };

/* Where Python and what was installed for it lies, and what has no file: the standard library's frozen
 * modules. "<string>" is the program's. */
static bool is_own_file(const char *file)
{
    static const char *const others[] = {"/lib/python3", "/lib64/python3", "/site-packages/",
                                         "/dist-packages/"};
    if (strncmp(file, "<frozen", 7) == 0)
        return false;
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        if (strstr(file, others[i]))
            return false;
    }
    return true;
}

/* What attribute `name` of the code says, "" where it cannot be had. It lives as long as the code does. */
static const char *text_of(object *code, const char *name)
{
    object *string = python.get_attribute(code, name);
    const char *text = string ? python.text(string) : NULL;
    if (!text)
        python.clear();
    if (string)
        python.dec_ref(string);
    return text ? text : "";
}

/* The id of that in which the thread runs Python code now. */
static uint64_t current_interpreter(void)
{
    const struct rw_python_thread_state *state = rw_python_attached();
    return state ? rw_python_interpreter_id(state->interpreter) : RW_INTERPRETER_ID_UNKNOWN;
}

/* Whether it is the program's, and the number of its function. */
static bool is_own(object *code, uint32_t *source)
{
    uint64_t id = current_interpreter();
    if (id >= INTERPRETERS || !interpreters[id].is_on)
        return false;
    void *extra = NULL;
    if (python.get_extra(code, interpreters[id].extra, &extra) != 0)
        python.clear();
    if (!extra) {
        const char *file = text_of(code, "co_filename");
        uintptr_t value = OTHERS;
        if (is_own_file(file))
            value = OWN + (uintptr_t)rw_line_source(file, text_of(code, "co_name"));
        extra = (void *)value;
        if (python.set_extra(code, interpreters[id].extra, extra) != 0)
            python.clear();
    }
    *source = (uint32_t)((uintptr_t)extra - OWN);
    return (uintptr_t)extra >= OWN;
}

static void come_to(uint32_t source, int line)
{
    if (!rw_line_comes(source, line > 0 ? (uint32_t)line : 0))
        return;
    void *state = python.save_thread();
    rw_line_left();
    python.restore_thread(state);
}

static int trace(object *self, object *frame, int what, object *argument)
{
    (void)self, (void)argument;
    uint32_t source;
    if (what != TRACE_LINE || !rw_line_is_wanted())
        return 0;
    object *code = python.code_of ? python.code_of(frame) : python.get_attribute(frame, "f_code");
    if (!code)
        python.clear();
    else if (is_own(code, &source))
        come_to(source, python.line_of(frame));
    if (code)
        python.dec_ref(code);
    return 0;
}

/* sys.monitoring's LINE and JUMP: a loop that stands in one line comes to that line once. */
static object *monitored(object *const *arguments, ptrdiff_t count, bool is_jump)
{
    uint32_t source = 0;
    object *result = python.none;
    if (count >= 2 && rw_line_is_wanted()) {
        if (is_own(arguments[0], &source)) {
            int number = (int)python.number(arguments[1]);
            come_to(source, is_jump ? python.line_at(arguments[0], number) : number);
        } else {
            result = disable;
        }
    }
    python.inc_ref(result);
    return result;
}

static object *line_comes(object *self, object *const *arguments, ptrdiff_t count)
{
    (void)self;
    return monitored(arguments, count, false);
}

static object *jump_comes(object *self, object *const *arguments, ptrdiff_t count)
{
    (void)self;
    return monitored(arguments, count, true);
}

static bool drop(object *result)
{
    if (result)
        python.dec_ref(result);
    else
        python.clear();
    return result != NULL;
}

/* The event's number; 0 where it has none. */
static long event(object *monitoring, const char *name)
{
    object *events = python.get_attribute(monitoring, "events");
    object *number = events ? python.get_attribute(events, name) : NULL;
    long value = number ? python.number(number) : 0;
    if (number)
        python.dec_ref(number);
    drop(events);
    if (python.occurred())
        python.clear();
    return value;
}

static bool listen(object *monitoring, int tool, long number, struct method *method)
{
    object *function = python.new_function(method, NULL, NULL);
    bool is_done = function && number &&
                   drop(python.call_method(monitoring, "register_callback", "ilO", tool, number, function));
    drop(function);
    return is_done;
}

/* Two tool ids have no purpose of their own: 3 and 4. */
static bool monitor_lines(void)
{
    static struct method methods[] = {{"line", line_comes, METH_FASTCALL, NULL},
                                      {"jump", jump_comes, METH_FASTCALL, NULL}};
    object *monitoring = python.system_object("monitoring");
    object *word = monitoring ? python.get_attribute(monitoring, "DISABLE") : NULL;
    if (!word) {
        python.clear();
        return false;
    }
    disable = word;
    for (int tool = 4; tool >= 3; tool--) {
        if (!drop(python.call_method(monitoring, "use_tool_id", "is", tool, "racewatch")))
            continue;
        long line = event(monitoring, "LINE"), jump = event(monitoring, "JUMP");
        return listen(monitoring, tool, line, &methods[0]) && listen(monitoring, tool, jump, &methods[1]) &&
               drop(python.call_method(monitoring, "set_events", "il", tool, line | jump));
    }
    return false;
}

/* Once for each interpreter, in a thread that is in it. */
static void begin(uint64_t id)
{
    interpreters[id].is_known = true;
    interpreters[id].extra = python.new_extra(NULL);
    bool is_done = interpreters[id].extra >= 0;
    if (!is_done)
        python.clear();
    interpreters[id].is_on = true;
    if (is_done && python.has_monitoring)
        is_done = monitor_lines();
    else if (is_done)
        python.set_trace(trace, NULL);
    interpreters[id].is_on = is_done;
    if (is_done) {
        rw_line_seen_by(python.has_monitoring ? RW_SCHEDULE_LINES_MONITORED : RW_SCHEDULE_LINES_TRACE);
        return;
    }
    rw_line_seen_by(RW_SCHEDULE_LINES_FAILED);
    rw_record_problem(0, "perturb",
                      "lines of Python code are no points: sys.monitoring has no tool id that is free");
}

/* An audit event, with the interpreter's lock. An exception that is on its way would be lost. */
static int heard(const char *name, object *arguments, void *data)
{
    (void)arguments, (void)data;
    if (is_busy || !rw_line_is_wanted() || !rw_python_is_initialized())
        return 0;
    uint64_t id = current_interpreter();
    if (id >= INTERPRETERS)
        return 0;
    is_busy = true;
    bool is_moment = strcmp(name, "import") == 0 || strcmp(name, "exec") == 0 ||
                     strncmp(name, "cpython.run_", sizeof "cpython.run_" - 1) == 0;
    if (!interpreters[id].is_known && is_moment && !python.occurred())
        begin(id);
    else if (!python.has_monitoring && interpreters[id].is_on && strcmp(name, "sys.settrace") == 0)
        rw_line_displaced();
    is_busy = false;
    return 0;
}

/* PyThreadState of 3.8, Include/cpython/pystate.h. */
struct thread_state_38 {
    struct rw_python_thread_state head;
    void *frame;
};

/* Python makes a thread's state before the thread, and the newest state is the first in the list. But a
 * thread may be made without one (faulthandler's). Ids grow; in 3.8 a state that is new has no frame. */
static bool is_new(void *state, uint64_t interpreter)
{
    if (!python.id_of)
        return ((const struct thread_state_38 *)state)->frame == NULL;
    uint64_t id = python.id_of(state);
    bool is_newer = id > interpreters[interpreter].newest;
    if (is_newer)
        interpreters[interpreter].newest = id;
    return is_newer;
}

void rw_python_lines_thread_comes(const void *return_address)
{
    if (!python.set_trace)
        return;
    const struct rw_python_thread_state *state = rw_python_current((uintptr_t)return_address);
    uint64_t id = state ? rw_python_interpreter_id(state->interpreter) : RW_INTERPRETER_ID_UNKNOWN;
    if (id >= INTERPRETERS || !interpreters[id].is_on)
        return;
    void *newest = python.first_state(state->interpreter);
    if (newest == state || !is_new(newest, id))
        return;
    is_busy = true;
    if (python.set_trace_of) {
        if (python.set_trace_of(newest, trace, NULL) != 0)
            python.clear();
    } else {
        void *own = python.swap(newest);
        python.set_trace(trace, NULL);
        python.swap(own);
    }
    is_busy = false;
}

/* Names are looked for in this order; a function that was renamed has two. */
struct wanted {
    void *to;
    const char *names[2];
};

static bool find(const struct rw_elf_module *module, const struct wanted *list, size_t count)
{
    bool has_all = true;
    for (size_t i = 0; i < count; i++) {
        struct rw_elf_function found = {0, 0};
        for (size_t n = 0; n < 2 && found.address == 0 && list[i].names[n]; n++) {
            if (!rw_elf_module_function(module, list[i].names[n], &found))
                found.address = 0;
        }
        *(uintptr_t *)list[i].to = found.address;
        has_all &= found.address != 0;
    }
    return has_all;
}

#define COUNT(list) (sizeof(list) / sizeof((list)[0]))

static bool load(const struct rw_elf_module *module)
{
    const struct wanted all[] = {
        {&python.add_audit_hook, {"PySys_AddAuditHook"}},
        {&python.dec_ref, {"Py_DecRef"}},
        {&python.inc_ref, {"Py_IncRef"}},
        {&python.get_attribute, {"PyObject_GetAttrString"}},
        {&python.text, {"PyUnicode_AsUTF8"}},
        {&python.occurred, {"PyErr_Occurred"}},
        {&python.clear, {"PyErr_Clear"}},
        {&python.get_extra, {"PyUnstable_Code_GetExtra", "_PyCode_GetExtra"}},
        {&python.set_extra, {"PyUnstable_Code_SetExtra", "_PyCode_SetExtra"}},
        {&python.new_extra, {"PyUnstable_Eval_RequestCodeExtraIndex", "_PyEval_RequestCodeExtraIndex"}},
        {&python.save_thread, {"PyEval_SaveThread"}},
        {&python.restore_thread, {"PyEval_RestoreThread"}},
    };
    const struct wanted monitoring[] = {
        {&python.system_object, {"PySys_GetObject"}},  {&python.call_method, {"PyObject_CallMethod"}},
        {&python.new_function, {"PyCFunction_NewEx"}}, {&python.line_at, {"PyCode_Addr2Line"}},
        {&python.number, {"PyLong_AsLong"}},
    };
    const struct wanted tracing[] = {
        {&python.set_trace, {"PyEval_SetTrace"}},
        {&python.swap, {"PyThreadState_Swap"}},
        {&python.first_state, {"PyInterpreterState_ThreadHead"}},
        {&python.line_of, {"PyFrame_GetLineNumber"}},
    };
    const struct wanted optional[] = {
        {&python.set_trace_of, {"_PyEval_SetTrace"}},
        {&python.code_of, {"PyFrame_GetCode"}},
        {&python.id_of, {"PyThreadState_GetID"}},
    };
    struct rw_elf_function came_with_monitoring;
    python.has_monitoring =
        rw_elf_module_function(module, "Py_NewInterpreterFromConfig", &came_with_monitoring);
    python.none = (object *)rw_elf_data_defining("_Py_NoneStruct");
    find(module, optional, COUNT(optional));
    return find(module, all, COUNT(all)) && python.none &&
           (python.has_monitoring ? find(module, monitoring, COUNT(monitoring))
                                  : find(module, tracing, COUNT(tracing)));
}

void rw_python_lines_install(const struct rw_elf_module *module)
{
    if (!rw_line_is_wanted())
        return;
    if (rw_perturb_mode == RW_PERTURB_SERIAL)
        rw_python_place_load(module); /* of checks: serial_python.c */
    if (!load(module)) {
        rw_line_seen_by(RW_SCHEDULE_LINES_FAILED);
        rw_record_problem(
            ENOENT, "perturb",
            "lines of Python code are no points: this Python lacks what is needed (3.8 has it)");
        return;
    }
    if (python.add_audit_hook(heard, NULL) != 0) {
        rw_line_seen_by(RW_SCHEDULE_LINES_FAILED);
        rw_record_problem(0, "perturb", "lines of Python code are no points: no audit hook can be added");
    }
}
