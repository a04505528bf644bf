/* SPDX-License-Identifier: MIT */
#include "tools/snapshot/owner_by_stack.h"

#include <stdio.h>
#include <string.h>
#include <talloc.h>

#include "tools/incident/words.h"
#include "tools/snapshot/demangle.h"
#include "tools/snapshot/libc_locks.h"
#include "tools/snapshot/locks.h"

#define FRAME_MAX 1024 /* bytes of one frame that are looked at; pthread_once has less than 200 */
#define GUARD_PREFIX "guard variable for "

static bool waits_for(const struct rw_thread *thread, const char *kind, uint64_t object)
{
    const struct rw_wait_on *wait = thread->waits_on;

    return wait && wait->kind && strcmp(wait->kind, kind) == 0 && wait->object == object;
}

/* pthread_once keeps the address of its control in its frame while the initialiser runs: it is what its
 * cleanup handler is given (nptl/pthread_once.c, pthread_cleanup_combined_push). */
static bool frame_has(const struct rw_wait_look *look, const struct rw_thread *thread, size_t index,
                      uint64_t word)
{
    uint64_t words[FRAME_MAX / sizeof(uint64_t)], begin = 0, end = thread->native[index].cfa;

    for (size_t i = index; i > 0 && !begin; i--)
        if (thread->native[i - 1].cfa != end)
            begin = thread->native[i - 1].cfa;
    if (!begin || begin >= end || end - begin > sizeof(words) ||
        rw_memory_read(look->image->memory, begin, words, end - begin) < 0)
        return false;
    for (size_t i = 0; i < (end - begin) / sizeof(*words); i++)
        if (words[i] == word)
            return true;
    return false;
}

/* Whether the thread is inside the initialiser that this pthread_once calls. Its innermost frames may be
 * those of another call, which waits. */
static bool runs_once(const struct rw_wait_look *look, const struct rw_thread *thread, uint64_t control)
{
    const char *kind, *call;
    uint64_t object;
    bool is_called = false;

    for (size_t i = 0; i < thread->native_count; i++) {
        const struct rw_frame *frame = &thread->native[i];
        bool is_once = frame->function &&
                       rw_lock_of_function(frame->function, control, &kind, &call, &object) &&
                       strcmp(kind, "once") == 0;

        if (is_once && is_called && frame_has(look, thread, i, control))
            return true;
        is_called |= !frame->is_shim && !rw_is_plumbing(frame);
    }
    return false;
}

/* Whether the thread is in the function whose static object the guard is of. Who waits for that guard is in
 * it as well, but must be in it once more to be the one who makes the object. */
static bool is_in_function(const struct rw_thread *thread, const char *function, uint64_t guard)
{
    int needed = waits_for(thread, "once", guard) ? 2 : 1;

    for (size_t i = 0; i < thread->native_count; i++)
        if (thread->native[i].function && strcmp(thread->native[i].function, function) == 0 && --needed == 0)
            return true;
    return false;
}

/* "a::f(int)" of "guard variable for a::f(int)::object"; NULL where it is not the guard of a function's. */
static char *function_of_guard(const struct rw_wait_look *look, const struct rw_wait_on *wait)
{
    const char *symbol, *module;

    if (rw_symbols_data(look->image->symbols, wait->object, look->incident, &symbol, &module) < 0 || !symbol)
        return NULL;
    char *plain = rw_demangle(look->incident, symbol);
    if (!plain || strncmp(plain, GUARD_PREFIX, strlen(GUARD_PREFIX)) != 0)
        return NULL;
    char *function = plain + strlen(GUARD_PREFIX), *last = NULL;
    for (char *at = strstr(function, "::"); at; at = strstr(at + 2, "::"))
        last = at;
    if (!last)
        return NULL;
    *last = '\0';
    return function;
}

/* Where the brackets that end at `end` begin; `end` itself where none do. */
static size_t before_brackets(const char *text, size_t end, char open, char close)
{
    int depth = 0;

    for (size_t i = end; i > 0 && text[end - 1] == close; i--) {
        depth += text[i - 1] == close;
        depth -= text[i - 1] == open;
        if (depth == 0)
            return i - 1;
    }
    return end;
}

/* "f()::object" of "a::f<int>(char)" and "object": what it is in and its arguments would make a sentence
 * unreadable. */
static char *short_name(const struct rw_wait_look *look, const char *function, const char *object)
{
    size_t length = strlen(function), end = before_brackets(function, length, '(', ')'), begin;

    if (end == length) /* a lambda's, say */
        return talloc_strdup(look->incident, object);
    end = before_brackets(function, end, '<', '>');
    for (begin = end; begin > 0 && !strchr(" :", function[begin - 1]); begin--)
        ;
    return talloc_asprintf(look->incident, "%.*s()::%s", (int)(end - begin), function + begin, object);
}

static void find_initialiser(const struct rw_wait_look *look, struct rw_wait_on *wait)
{
    char *function = function_of_guard(look, wait);
    const struct rw_thread *found = NULL;

    for (size_t i = 0; i < look->process->thread_count; i++) {
        const struct rw_thread *thread = &look->process->threads[i];
        bool is_it =
            function ? is_in_function(thread, function, wait->object) : runs_once(look, thread, wait->object);

        if (!thread->is_alive || !is_it)
            continue;
        if (found) {
            found = NULL; /* two may be on their way to it */
            break;
        }
        found = thread;
    }
    if (function) {
        const char *object = function + strlen(function) + 2; /* behind the "::" that was cut */
        wait->name = short_name(look, function, object);
    }
    if (found)
        wait->owner = (struct rw_owner){.tid = found->tid,
                                        .pid = look->process->pid,
                                        .certainty = RW_INFERRED,
                                        .how = function ? "its stack: it is in the function that makes it"
                                                        : "its stack: it is in the initialiser"};
}

/* A function of libc that has its lock, and out of which a signal's handler, or a function that it calls,
 * came back to it. */
static void find_own_lock(const struct rw_wait_look *look, const struct rw_thread *thread,
                          struct rw_wait_on *wait)
{
    const char *name = rw_libc_lock_name(thread);
    const struct rw_frame *outer = name ? rw_libc_lock_taken_before(thread, name) : NULL;

    if (!outer)
        return;
    wait->kind = "libc-lock";
    wait->owner = (struct rw_owner){
        .tid = thread->tid,
        .pid = look->process->pid,
        .certainty = RW_INFERRED,
        .how = talloc_asprintf(look->incident, "its stack: it is in %s already", outer->function)};
}

void rw_owners_by_stack(const struct rw_wait_look *look)
{
    for (size_t i = 0; i < look->process->thread_count; i++) {
        const struct rw_thread *thread = &look->process->threads[i];
        struct rw_wait_on *wait = thread->waits_on;

        if (!thread->is_alive || !wait || !wait->kind || wait->owner.tid >= 0)
            continue;
        if (strcmp(wait->kind, "once") == 0)
            find_initialiser(look, wait);
        else if (strcmp(wait->kind, "futex") == 0)
            find_own_lock(look, thread, wait);
    }
}
