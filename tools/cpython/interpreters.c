/* SPDX-License-Identifier: MIT */
/* The list of interpreters, their thread states, and which OS thread each belongs to. */
#include "tools/cpython/python.h"

#include <errno.h>
#include <stdlib.h>

#include <talloc.h>

#include "tools/cpython/object.h"
#include "tools/cpython/thread_order.h"

#define ATTEMPTS 64
#define ATTEMPTS_ALIKE 4 /* that end in the same way: then it is not for what comes and goes */
#define STATE_MAX 1024u  /* bytes of a thread state up to the last field that matters */

const char rw_py_no_interpreter[] = "Python has no interpreter: not started yet, or finalised";

static bool has(uint32_t offset)
{
    return offset != RW_NO_FIELD;
}

/* Of a living thread whose pthread_t the recording knows; 0 where there is none. */
static int tid_by_pthread(struct rw_python *py, uint64_t pthread)
{
    const struct rw_process_info *process = py->process;
    if (!py->pthreads) {
        py->pthreads = talloc_array(py->scratch, struct rw_py_thread_at, process->thread_count + 1);
        if (!py->pthreads)
            abort();
        for (size_t i = 0; i < process->thread_count; i++)
            if (process->threads[i].pthread && process->threads[i].is_alive)
                py->pthreads[py->pthread_count++] = (struct rw_py_thread_at){process->threads[i].pthread, i};
        rw_py_order_threads(py->pthreads, py->pthread_count);
    }
    size_t at = rw_py_thread_from(py->pthreads, py->pthread_count, pthread);
    return at < py->pthread_count && py->pthreads[at].address == pthread
               ? process->threads[py->pthreads[at].position].tid
               : 0;
}

/* glibc keeps a thread's TID in its struct pthread; the kernel clears it when the thread ends, and fork sets
 * it anew in the child. So it is truer than native_thread_id, which older versions do not have and forks have
 * left behind. */
int rw_py_tid_of_pthread(struct rw_python *py, uint64_t pthread)
{
    uint32_t tid;
    if (!pthread)
        return 0;
    int known = tid_by_pthread(py, pthread);
    if (known > 0)
        return known;
    if (rw_py_read(py, pthread + py->tid_in_pthread, &tid, sizeof tid))
        return 0; /* its stack was given back */
    if (tid == 0)
        return 0;
    const struct rw_thread *thread = rw_process_find_own_thread(py->process, (int)tid);
    return thread ? thread->tid : -1;
}

static int tid_of_state(struct rw_python *py, uint64_t thread_id, uint64_t native)
{
    int tid = rw_py_tid_of_pthread(py, thread_id);
    if (tid > 0)
        return tid;
    const struct rw_thread *thread =
        native && native < INT32_MAX ? rw_process_find_own_thread(py->process, (int)native) : NULL;
    if (tid < 0 && thread && thread->is_alive)
        return thread->tid;
    return 0;
}

/* One read gets all the fields that matter. */
static uint32_t state_size(const struct rw_layout *l)
{
    const uint32_t fields[] = {
        l->thread_state.next,      l->thread_state.interp,           l->thread_state.id,
        l->thread_state.thread_id, l->thread_state.native_thread_id, l->thread_state.status};
    uint32_t size = 0;
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++)
        if (has(fields[i]) && fields[i] + 8 > size)
            size = fields[i] + 8;
    return size;
}

static bool read_fields(struct rw_python *py, struct rw_py_state *state, uint64_t *next)
{
    const struct rw_layout *l = &py->layout;
    uint8_t raw[STATE_MAX];
    uint32_t size = state_size(l);
    if (size > sizeof raw || rw_py_read(py, state->address, raw, size) ||
        rw_py_field(raw, l->thread_state.interp) != state->interpreter)
        return false;
    *next = rw_py_field(raw, l->thread_state.next);
    state->thread_id = rw_py_field(raw, l->thread_state.thread_id);
    if (has(l->thread_state.native_thread_id))
        state->native_thread_id = rw_py_field(raw, l->thread_state.native_thread_id);
    state->id = has(l->thread_state.id) ? rw_py_field(raw, l->thread_state.id) : 0;
    state->status = has(l->thread_state.status) ? rw_py_field32(raw, l->thread_state.status) : 0;
    return true;
}

static bool read_state(struct rw_python *py, const struct rw_py_interpreter *in, uint64_t address,
                       uint64_t *next)
{
    struct rw_py_state state = {.address = address, .interpreter = in->address, .interpreter_id = in->id};
    if (!read_fields(py, &state, next))
        return false;
    state.tid = tid_of_state(py, state.thread_id, state.native_thread_id);
    state.maker_tid = state.tid;
    py->states = talloc_realloc(py->scratch, py->states, struct rw_py_state, py->state_count + 1);
    if (!py->states)
        abort();
    py->states[py->state_count++] = state;
    return true;
}

/* A state's number, unique in its interpreter, is never given twice. */
bool rw_py_is_still_there(struct rw_python *py, const struct rw_py_state *state)
{
    struct rw_py_state now = {.address = state->address, .interpreter = state->interpreter};
    uint64_t next;
    return read_fields(py, &now, &next) && now.id == state->id && now.thread_id == state->thread_id &&
           now.native_thread_id == state->native_thread_id;
}

/* True if the list came to its end, and began where it still begins: then none came in between. */
static bool read_states(struct rw_python *py, const struct rw_py_interpreter *in)
{
    uint64_t at_head = in->address + py->layout.interpreter.threads_head;
    uint64_t head = rw_py_word(py, at_head), address = head;
    size_t first = py->state_count;
    while (address && py->state_count - first < RW_PY_THREAD_STATES_MAX)
        if (!read_state(py, in, address, &address))
            return false;
    return !address && rw_py_word(py, at_head) == head;
}

static bool read_interpreter(struct rw_python *py, uint64_t address, uint64_t *next)
{
    const struct rw_layout *l = &py->layout;
    struct rw_py_interpreter in = {.address = address};
    if (rw_py_read(py, address + l->interpreter.next, next, sizeof *next) ||
        rw_py_read(py, address + l->interpreter.id, &in.id, sizeof in.id) || in.id < -1 || in.id > INT32_MAX)
        return false;
    if (has(l->interpreter.gil))
        in.gil = rw_py_word(py, address + l->interpreter.gil);
    else
        in.gil = py->runtime + l->runtime.gil;
    py->interpreters =
        talloc_realloc(py->scratch, py->interpreters, struct rw_py_interpreter, py->interpreter_count + 1);
    if (!py->interpreters)
        abort();
    py->interpreters[py->interpreter_count++] = in;
    return read_states(py, &in);
}

static bool read_all(struct rw_python *py, uint64_t head)
{
    uint64_t address = head;
    bool is_whole = true;
    py->interpreter_count = py->state_count = 0;
    while (address && py->interpreter_count < RW_PY_INTERPRETERS_MAX) {
        size_t before = py->interpreter_count;
        uint64_t next = 0;
        is_whole = read_interpreter(py, address, &next) && is_whole;
        if (py->interpreter_count == before)
            return false;
        address = next;
    }
    return is_whole && !address;
}

struct lists {
    struct rw_py_interpreter *interpreters;
    size_t interpreter_count;
    struct rw_py_state *states;
    size_t state_count;
};

/* Takes what a walk found, if it is more than what there was, and leaves `py` with nothing. */
static void keep_longer(struct rw_python *py, struct lists *longest)
{
    struct lists lists = {py->interpreters, py->interpreter_count, py->states, py->state_count},
                 waste = lists;
    if (lists.interpreter_count &&
        (lists.state_count > longest->state_count || !longest->interpreter_count)) {
        waste = *longest;
        *longest = lists;
    }
    talloc_free(waste.interpreters);
    talloc_free(waste.states);
    py->interpreters = NULL;
    py->states = NULL;
}

/* Tells one walk from another that found something else. */
static uint64_t sum_of_walk(const struct rw_python *py)
{
    uint64_t sum = py->interpreter_count;
    for (size_t i = 0; i < py->interpreter_count; i++)
        sum = sum * 31 + py->interpreters[i].address;
    for (size_t i = 0; i < py->state_count; i++)
        sum = sum * 31 + py->states[i].address;
    return sum;
}

/* Threads and interpreters come and go while the lists are walked, and what has gone leads nowhere. A walk in
 * which nothing came or went is tried for; where there is none, the one that found the most is right, but may
 * not be all. */
int rw_py_read_interpreters(struct rw_python *py, const char **why)
{
    uint64_t at_head = py->runtime + py->layout.runtime.interpreters_head, head, after = 0;
    struct lists longest = {0};
    uint64_t sum = 0, sum_before = 0;
    int alike = 0;
    bool is_whole = false;
    for (int attempt = 0; attempt < ATTEMPTS && alike < ATTEMPTS_ALIKE && !is_whole; attempt++) {
        if (rw_py_read(py, at_head, &head, sizeof head)) {
            *why = "its memory could not be read";
            return -EBADMSG;
        }
        if (!head) {
            *why = rw_py_no_interpreter;
            return -ENOENT;
        }
        is_whole = read_all(py, head) && !rw_py_read(py, at_head, &after, sizeof after) && after == head;
        sum_before = sum;
        sum = sum_of_walk(py);
        alike = sum == sum_before ? alike + 1 : 1;
        if (is_whole)
            longest = (struct lists){0};
        keep_longer(py, &longest);
    }
    py->interpreters = longest.interpreters;
    py->interpreter_count = longest.interpreter_count;
    py->states = longest.states;
    py->state_count = longest.state_count;
    py->is_incomplete = !is_whole;
    if (!py->interpreter_count) {
        *why = "the list of interpreters makes no sense";
        return -EBADMSG;
    }
    return 0;
}

const struct rw_py_interpreter *rw_py_interpreter_of(const struct rw_python *py, int64_t id)
{
    for (size_t i = 0; i < py->interpreter_count; i++)
        if (py->interpreters[i].id == id)
            return &py->interpreters[i];
    return NULL;
}

static bool is_finalizing(struct rw_python *py, const struct rw_py_interpreter *in)
{
    const struct rw_layout *l = &py->layout;
    if (in->id == 0 && rw_py_word(py, py->runtime + l->runtime.finalizing))
        return true;
    return has(l->interpreter.finalizing) && rw_py_int(py, in->address + l->interpreter.finalizing) == 1;
}

void rw_py_fill_interpreters(struct rw_python *py)
{
    const struct rw_py_interpreter *main_one = rw_py_interpreter_of(py, 0);
    if (py->is_incomplete)
        rw_process_note(py->incident, py->process,
                        "interpreters or Python threads came and went while their lists were read: "
                        "some may be missing here");
    for (size_t i = 0; i < py->interpreter_count; i++) {
        const struct rw_py_interpreter *in = &py->interpreters[i];
        struct rw_interpreter_info *info = rw_process_interpreter(py->incident, py->process, in->address);
        info->id = in->id;
        info->is_main = in->id == 0;
        info->is_finalizing = is_finalizing(py, in);
        info->shares_gil = main_one && in != main_one && in->gil && in->gil == main_one->gil;
        if (!info->state)
            info->state = info->is_finalizing && !info->is_main ? "destroying" : "alive";
        for (size_t s = 0; s < py->state_count; s++) {
            const struct rw_py_state *state = &py->states[s];
            if (state->interpreter != in->address)
                continue;
            struct rw_thread_state_ref ref = {.address = state->address,
                                              .interpreter = in->id,
                                              .id = state->id,
                                              .is_attached = state->is_attached};
            rw_interpreter_add_state(py->incident, info, &ref, state->tid);
            struct rw_thread *thread =
                state->tid > 0 ? rw_process_find_thread(py->process, state->tid) : NULL;
            if (thread)
                rw_thread_add_state(py->incident, thread, &ref);
        }
    }
}
