/* SPDX-License-Identifier: MIT */
/*
 * Offsets are a claim. The check walks the process with them and compares what it finds with what it knows:
 * lists lead back to where they began, thread states belong to threads, a chain of frames ends at an
 * evaluation loop, and one function that every Python has comes out with its name, its file, its line and the
 * name of its first argument.
 */
#include "tools/cpython/check.h"

#include <talloc.h>

#include "tools/cpython/code.h"
#include "tools/cpython/object.h"
#include "tools/cpython/walk.h"

#define ATTEMPTS 3
#define KNOWN_FILE "<frozen importlib._bootstrap>"
#define KNOWN_CLASS "_ModuleLock"
#define KNOWN_FUNCTION "acquire"
#define CALL_METHOD 161         /* 3.8 to 3.10 */
#define NEXT_FUNCTION "release" /* the one that follows in the file */

static uint32_t hexversion(struct rw_python *py, const struct rw_py_interpreter *in)
{
    int64_t value;
    uint64_t number = rw_py_dict_get(py, rw_py_module_dict(py, in, "sys"), "hexversion");
    return rw_py_integer(py, number, &value) && value > 0 && value <= UINT32_MAX ? (uint32_t)value : 0;
}

static int last_line(struct rw_python *py, const struct rw_py_code *code)
{
    int last = code->first_line;
    for (int32_t at = 0; at < code->size && at < 4096; at += 2) {
        int line = rw_py_code_line(py, code, at);
        last = line > last ? line : last;
    }
    return last;
}

static const char *wrong_code(struct rw_python *py, const struct rw_py_code *code)
{
    const struct rw_layout *l = &py->layout;
    struct rw_py_bytes exceptions;
    bool has_objects = l->code.exceptions == RW_NO_FIELD; /* up to 3.10 */
    if (!code->is_code)
        return "a function leads to no code object";
    if (!code->function || strcmp(code->function, KNOWN_FUNCTION) || !code->name || !code->file ||
        strcmp(code->name, has_objects ? KNOWN_FUNCTION : KNOWN_CLASS "." KNOWN_FUNCTION) ||
        strcmp(code->file, KNOWN_FILE))
        return "a known function has another name";
    if (!rw_py_string_equals(py, rw_py_tuple_item(py, code->local_names[0], 0), "self") ||
        code->local_count < 2 || (int64_t)code->local_count != rw_py_tuple_size(py, code->local_names[0]))
        return "a known function has other arguments";
    /* CO_OPTIMIZED | CO_NEWLOCALS, and no *args, **kwargs, generator or coroutine */
    if ((code->flags & 0x3af) != 3 || code->stack_size < 2 || code->stack_size > 200)
        return "a known function has other flags";
    if (has_objects ? !rw_py_is(py, code->bytecode, "bytes")
                    : !rw_py_bytes(py, code->exceptions, &exceptions))
        return "a known function has no instructions";
    return NULL;
}

static const struct rw_py_code *code_of(struct rw_python *py, uint64_t class_dict, const char *name)
{
    uint64_t function = rw_py_dict_get(py, class_dict, name);
    if (!rw_py_is(py, function, "function"))
        return NULL;
    return rw_py_code_at(
        py, rw_py_kept_word(py, function + py->layout.object.size + (py->layout.minor >= 10 ? 32 : 0)));
}

/* What the types say of their size: a code object ends with its instructions, and a frame with its locals, be
 * it an object of its own or the end of a generator. */
static const char *wrong_sizes(struct rw_python *py, const struct rw_py_interpreter *in,
                               const struct rw_py_code *code)
{
    const struct rw_layout *l = &py->layout;
    const struct rw_py_type *type = rw_py_type_of(py, code->address);
    if (l->minor <= 10)
        return NULL; /* frame objects are looked at by themselves */
    if (!type || type->basic_size != l->code.instructions)
        return "code objects have another size";
    uint64_t generator = rw_py_dict_get(py, rw_py_module_dict(py, in, "_collections_abc"), "generator");
    type = generator ? rw_py_type_at(py, generator) : NULL;
    if (type && type->basic_size != l->generator.frame + l->frame.locals)
        return "generators have another size";
    return NULL;
}

static const char *wrong_function(struct rw_python *py, const struct rw_py_interpreter *in)
{
    uint64_t type = rw_py_dict_get(py, rw_py_module_dict(py, in, "_frozen_importlib"), KNOWN_CLASS);
    /* tp_dict comes 12 words behind tp_flags */
    uint64_t dict = type ? rw_py_kept_word(py, type + py->layout.type.flags + 96) : 0;
    if (!type) /* finalisation has begun */
        return NULL;
    const struct rw_py_code *code = code_of(py, dict, KNOWN_FUNCTION),
                            *next = code_of(py, dict, NEXT_FUNCTION);
    if (!code || !next)
        return "a known function is not where it should be";
    const char *why = wrong_code(py, code);
    int last = why ? 0 : last_line(py, code);
    if (!why && (code->first_line < 10 || next->first_line > 2000 || last <= code->first_line ||
                 last >= next->first_line))
        why = "known functions are not at their lines";
    return why ? why : wrong_sizes(py, in, code);
}

static const char *wrong_interpreters(const struct rw_python *py)
{
    size_t mains = 0;
    for (size_t i = 0; i < py->interpreter_count; i++) {
        mains += py->interpreters[i].id == 0;
        for (size_t j = 0; j < i; j++)
            if (py->interpreters[j].id == py->interpreters[i].id ||
                py->interpreters[j].address == py->interpreters[i].address)
                return "two interpreters are the same";
    }
    return mains == 1 ? NULL : "no interpreter is the main one";
}

/* One that has called another is behind its first instruction, unless it is the interpreter's own between a
 * class and its __init__, which 3.13 has begin there. Thread._bootstrap has a Thread, and does nothing but
 * call a method. */
static bool is_right_frame(struct rw_python *py, struct rw_py_frame *frame, bool is_innermost)
{
    uint64_t self;
    const struct rw_py_type *type = py->layout.minor <= 10 ? rw_py_type_of(py, frame->address) : NULL;
    if (type && (strcmp(type->name, "frame") || type->basic_size != py->layout.frame.locals + 8))
        return false;
    frame->code = rw_py_code_at(py, frame->code_address);
    if (!frame->code->is_code || !rw_py_is(py, frame->globals, "dict"))
        return false;
    int32_t at = rw_py_instruction_offset(py, frame);
    int32_t least = frame->code->is_hidden ? 0 : 2;
    if (at == INT32_MIN || at % 2 || (!is_innermost && at < least))
        return false;
    if (strcmp(rw_py_code_base(frame->code), "threading.py") || !frame->code->function ||
        strcmp(frame->code->function, "_bootstrap"))
        return true;
    struct rw_py_bytes bytecode;
    if (frame->code->bytecode && !is_innermost &&
        (!rw_py_bytes(py, frame->code->bytecode, &bytecode) || bytecode.data[at] != CALL_METHOD))
        return false;
    return !rw_py_read(py, frame->address + py->layout.frame.locals, &self, sizeof self) &&
           rw_py_is_kind_of(py, rw_py_untag(py, self), "Thread");
}

/* Running threads change their frames; but somebody's come out right. */
static const char *wrong_frames(struct rw_python *py)
{
    bool is_run = false, seen = false, is_right = false;
    size_t deepest = 0;
    for (size_t i = 0; i < py->process->thread_count && !is_run; i++) {
        const struct rw_thread *thread =
            &py->process->threads[i]; /* one that sleeps is likely to be there still */
        for (size_t f = 0; f < thread->native_count && !is_run && thread->os_state == 'S'; f++)
            is_run = thread->native[f].is_python_eval;
    }
    for (size_t i = 0; i < py->state_count && (!is_right || deepest < 2); i++) {
        struct rw_py_frame *frames;
        size_t count;
        int error = rw_py_walk(py, &py->states[i], false, &frames, &count, NULL);
        seen = seen || error || count;
        bool is_this_right = !error && count;
        for (size_t f = 0; f < count && is_this_right; f++)
            is_this_right = is_right_frame(py, &frames[f], f == 0);
        /* The more frames, the more it says. */
        if (count >= 2 && deepest < 2)
            is_right = false;
        is_right = is_right || (is_this_right && (count >= 2 || deepest < 2));
        deepest = count > deepest ? count : deepest;
        talloc_free(frames);
    }
    if (seen && !is_right)
        return "no frame leads to a code object and to its caller";
    return is_run && !seen ? "threads run Python, but no thread state has a frame" : NULL;
}

static const char *wrong_gil(struct rw_python *py)
{
    const struct rw_layout *l = &py->layout;
    for (size_t i = 0; i < py->interpreter_count; i++) {
        uint64_t gil = py->interpreters[i].gil;
        uint32_t locked;
        /* An interpreter that is being made has none yet; -1: not made yet. */
        if (gil && (rw_py_read(py, gil + l->gil.locked, &locked, sizeof locked) || locked + 1 > 2))
            return "its GIL is neither locked nor free";
    }
    return NULL;
}

static const char *why_not(struct rw_python *py, uint32_t *hex)
{
    const char *why = NULL;
    size_t backed = 0;
    *hex = 0;
    rw_py_forget(py);
    if (rw_py_read_interpreters(py, &why))
        return why;
    why = wrong_interpreters(py);
    if (why)
        return why;
    for (size_t i = 0; i < py->state_count; i++)
        backed += py->states[i].tid > 0;
    if (!py->state_count)
        return "no interpreter has a thread state";
    if (!backed && py->process->thread_count)
        return "no thread state belongs to a thread of the process";
    for (size_t i = 0; i < py->interpreter_count && !*hex; i++)
        *hex = hexversion(py, &py->interpreters[i]);
    /* The modules go during finalisation. Then the rest must do. */
    if (!*hex && !rw_py_word(py, py->runtime + py->layout.runtime.finalizing))
        return "sys.hexversion cannot be read";
    if (*hex && (*hex >> 16) != (3u << 8 | py->layout.minor))
        return "sys.hexversion does not name that version";
    for (size_t i = 0; i < py->interpreter_count && *hex && !why; i++)
        why = wrong_function(py, &py->interpreters[i]);
    if (!why)
        why = wrong_frames(py);
    return why ? why : wrong_gil(py);
}

/* A process that is busy may have looked wrong for a moment. */
const char *rw_py_why_not(struct rw_python *py, uint32_t *hex)
{
    const char *why = why_not(py, hex);
    for (int attempt = 1; why && attempt < ATTEMPTS; attempt++)
        why = why_not(py, hex);
    return why;
}
