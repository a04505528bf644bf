/* SPDX-License-Identifier: MIT */
#include "tools/snapshot/waits.h"

#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <talloc.h>
#include <time.h>

#include "tools/basics/paths.h"
#include "tools/incident/model.h"
#include "tools/incident/words.h"
#include "tools/snapshot/calls.h"
#include "tools/snapshot/demangle.h"
#include "tools/snapshot/libc_locks.h"
#include "tools/snapshot/locks.h"
#include "tools/snapshot/sysv.h"
#include "tools/snapshot/wait_calls.h"
#include "tools/snapshot/wait_channels.h"

/* How deep below a public function libc's own waiting code may be, inlined calls and the shim's wrapper
 * included. */
#define DEPTH_MAX 10
/* Of _lock in struct _IO_FILE: libio.h, part of glibc's ABI. */
#define STREAM_LOCK_OFFSET 136
#define BACK_TRIES 20 /* a millisecond apart */

static struct rw_wait_on *fresh(const struct rw_wait_look *look, struct rw_thread *thread, const char *kind)
{
    talloc_free(thread->waits_on);
    thread->waits_on = NULL;
    struct rw_wait_on *wait = rw_thread_wait_on(look->incident, thread);
    wait->kind = kind;
    return wait;
}

/* The innermost function of the stack that is known by name to wait, if any. */
static bool by_stack(const struct rw_thread *thread, uint64_t address, const char **kind, const char **call,
                     uint64_t *object)
{
    bool is_direct = true;

    for (size_t i = 0; i < thread->native_count && i < DEPTH_MAX; i++) {
        const char *function = thread->native[i].function;
        if (!function)
            continue;
        /* An initialiser may wait for whatever it likes; its caller waits only where it calls the kernel. */
        if (rw_lock_of_function(function, address, kind, call, object) &&
            (is_direct || strcmp(*kind, "once") != 0))
            return true;
        is_direct &= strstr(function, "futex") || strcmp(function, "syscall") == 0;
    }
    *kind = *call = "futex";
    *object = address;
    return false;
}

/* "std::future<int()>::get" of "std::future<int()>::get()". */
static char *without_arguments(void *ctx, const char *function)
{
    size_t depth = 0, length = 0;

    for (; function[length] && (function[length] != '(' || depth || length == 0); length++) {
        depth += function[length] == '<';
        depth -= function[length] == '>' && depth;
    }
    return talloc_strndup(ctx, function, length);
}

/* A variable that a template of C++'s library brought into the program says nothing to who wrote that. */
static bool is_of_library(const char *symbol)
{
    return strncmp(symbol, "_ZNSt", 5) == 0 || strncmp(symbol, "_ZZNSt", 6) == 0;
}

/* A futex of nobody we know: named by the data that it is part of, and the function that waits. */
static char *name_futex(const struct rw_wait_look *look, const struct rw_thread *thread, uint64_t address)
{
    const char *object, *module, *function = NULL, *known = rw_libc_lock_name(thread);

    if (known)
        return talloc_strdup(look->incident, known);
    for (size_t i = 0; i < thread->native_count && i < DEPTH_MAX && !function; i++)
        if (strcmp(thread->native[i].function ? thread->native[i].function : "syscall", "syscall") != 0)
            function = thread->native[i].function;
    if (rw_symbols_data(look->image->symbols, address, look->incident, &object, &module) == 0 &&
        !(object && is_of_library(object)))
        return object ? talloc_asprintf(look->incident, "%s in %s", object, rw_base_name(module))
                      : talloc_asprintf(look->incident, "a lock inside %s%s%s", rw_base_name(module),
                                        function ? ", waited for by " : "", function ? function : "");
    return talloc_asprintf(look->incident, "futex 0x%" PRIx64, address);
}

/* One of the three that every program has, or NULL. */
static const char *standard_stream(const struct rw_wait_look *look, uint64_t lock)
{
    static const struct {
        const char *symbol, *name;
    } streams[] = {{"_IO_2_1_stdout_", "stdout"}, {"_IO_2_1_stderr_", "stderr"}, {"_IO_2_1_stdin_", "stdin"}};

    for (size_t i = 0; i < sizeof(streams) / sizeof(streams[0]); i++) {
        uint64_t stream = rw_symbols_address_of(look->image->symbols, streams[i].symbol), its_lock = 0;
        if (stream != 0 &&
            rw_memory_read(look->image->memory, stream + STREAM_LOCK_OFFSET, &its_lock, sizeof(its_lock)) ==
                0 &&
            its_lock == lock)
            return streams[i].name;
    }
    return NULL;
}

/* A lock of stdio: libc's own, but one with an owner in it. */
static struct rw_wait_on *stream_lock(const struct rw_wait_look *look, struct rw_thread *thread,
                                      uint64_t address)
{
    struct rw_wait_on *wait = fresh(look, thread, "stream");
    const char *name = standard_stream(look, address);

    wait->object = address;
    wait->call = "flockfile";
    wait->name = talloc_asprintf(look->incident, "%s%s%s", name ? name : "", name ? ": " : "",
                                 rw_libc_lock_name(thread));
    wait->evidence = "system call futex in a function of stdio";
    return wait;
}

/* A C++ variable as a person would write it; of one whose full name has spaces ("(anonymous namespace)::a")
 * the last part. */
static const char *plain_name(const struct rw_wait_look *look, const char *symbol)
{
    const char *name = rw_demangle(look->incident, symbol), *last = name;

    if (!name || !strchr(name, ' '))
        return name ? name : symbol;
    for (const char *at = strstr(name, "::"); at; at = strstr(at, "::"))
        last = at += 2;
    return strchr(last, ' ') ? symbol : last;
}

/* An object that is a variable of the program, or in one, goes by that name. `is_exact`: the object's address
 * is its own, not that of a futex in it (where in a condition its futexes lie differs by version). */
static void name_by_symbol(const struct rw_wait_look *look, struct rw_wait_on *wait, bool is_exact)
{
    const char *object, *module;

    if (strcmp(wait->kind, "futex") == 0 || strcmp(wait->kind, "join") == 0 ||
        rw_symbols_data(look->image->symbols, wait->object, look->incident, &object, &module) < 0 || !object)
        return;
    object = plain_name(look, object);
    const char *use = wait->name ? strstr(wait->name, " for ") : NULL; /* "rwlock 0x12 for writing" */
    wait->name =
        talloc_asprintf(look->incident, "%s %.*s%s", wait->kind,
                        (int)(is_exact ? strlen(object) : strcspn(object, "+")), object, use ? use : "");
}

/* Which object the futex belongs to: what the recording says if that agrees, else what the stack says. */
static struct rw_wait_on *futex_object(const struct rw_wait_look *look, struct rw_thread *thread,
                                       const struct rw_proc_syscall *call, const struct rw_slot *slot)
{
    struct rw_wait_on *wait = thread->waits_on;
    uint64_t address = call->argument[0], object = address;
    const char *kind = "futex", *function = "futex";
    bool is_exact = true;

    if (wait && wait->kind && rw_lock_holds(wait->kind, wait->object, address)) {
        wait->evidence = "recording, and system call futex agrees";
        name_by_symbol(look, wait, true);
        return wait;
    }
    if (wait && wait->kind &&
        rw_lock_is_refused(look->image->memory, wait->kind, wait->object, address, call->stack_pointer)) {
        wait->evidence = "recording; the kernel refused it the lock, and libc lets it wait for ever";
        name_by_symbol(look, wait, true);
        return wait;
    }
    if (wait && wait->kind && strcmp(wait->kind, "fork") == 0) {
        /* The fork was recorded, the lock that it hangs in is inside of libc or of a handler. */
        wait->name = name_futex(look, thread, address);
        wait->evidence = "recording, and system call futex";
        return wait;
    }
    if (slot && slot->state == RW_THREAD_WAITING && slot->wait.kind == RW_WAIT_COND &&
        rw_lock_holds("mutex", slot->wait.object2, address)) {
        wait = fresh(look, thread, "mutex");
        wait->object = slot->wait.object2;
        wait->call = "pthread_cond_wait";
        wait->evidence = "recording, and system call futex on the condition's mutex";
    } else {
        bool is_named = by_stack(thread, address, &kind, &function, &object);
        if (!is_named && rw_libc_lock_is_stream(thread))
            return stream_lock(look, thread, address);
        wait = fresh(look, thread, kind);
        is_exact = strcmp(kind, "condition") != 0;
        wait->object = object;
        wait->call = function;
        const char *called = is_named ? NULL : rw_toolchain_call(thread);
        if (called)
            wait->call = without_arguments(look->incident, called);
        wait->evidence = is_named ? talloc_asprintf(look->incident, "system call futex in %s", function)
                                  : "system call futex";
    }
    wait->name = strcmp(wait->kind, "futex") == 0
                     ? name_futex(look, thread, address)
                     : talloc_asprintf(look->incident, "%s 0x%" PRIx64, wait->kind, wait->object);
    name_by_symbol(look, wait, is_exact);
    return wait;
}

/* Whether the thread is where it was when `call` was taken. */
static bool is_still_there(const struct rw_wait_look *look, const struct rw_thread *thread,
                           const struct rw_proc_syscall *call)
{
    const struct timespec moment = {0, 1000000};
    struct rw_proc_syscall now = {.number = -1};

    /* One that was just let go may not be back in its call yet, where the machine is busy: it gets a
     * processor in its turn. */
    for (int i = 0; now.number < 0; i++) {
        if (i >= BACK_TRIES && *look->patience_ms == 0)
            break;
        *look->patience_ms -= i >= BACK_TRIES;
        if (i > 0)
            nanosleep(&moment, NULL);
        if (rw_proc_syscall(look->image->pid, thread->tid, &now) < 0)
            return true; /* nobody can say */
    }
    rw_call_resolve(&now, look->image->memory);
    return now.number == call->number && now.argument[0] == call->argument[0] &&
           now.stack_pointer == call->stack_pointer;
}

static void fill_futex(const struct rw_wait_look *look, struct rw_thread *thread,
                       const struct rw_proc_syscall *call, const struct rw_slot *slot)
{
    struct rw_wait_on *wait = futex_object(look, thread, call, slot);

    wait->owner = rw_lock_owner(look->incident, look->process, look->image->memory, look->reader, wait->kind,
                                wait->object, call->argument[0]);
    if (strcmp(wait->kind, "join") == 0 && wait->owner.tid > 0 &&
        strncmp(wait->evidence, "recording", 9) != 0)
        wait->name = talloc_asprintf(look->incident, "the end of thread %d", wait->owner.tid);
    rw_wait_memory(look, wait, call->argument[0]);
    if (wait->owner.tid >= 0 && !is_still_there(look, thread, call)) {
        /* The owner may be the one of the next time: better none than a wrong one. */
        wait->owner.tid = -1;
        wait->owner.certainty = RW_UNKNOWN;
        wait->owner.how = "the thread went on while its lock was looked at";
    }
}

static void fill_process(const struct rw_wait_look *look, struct rw_wait_on *wait,
                         const struct rw_proc_syscall *call)
{
    int child = -1;

    if (call->number == SYS_wait4)
        child = (int32_t)call->argument[0];
    else if (call->number == SYS_waitid && call->argument[0] == P_PID)
        child = (int32_t)call->argument[1];
    else if (call->number == SYS_vfork || call->number == SYS_clone || call->number == SYS_clone3) {
        wait->name = "the new process' exec or end";
        return;
    }
    wait->peer_pid = child > 0 ? child : -1;
    wait->object = child > 0 ? (uint64_t)child : 0;
    wait->name = child > 0 ? talloc_asprintf(look->incident, "process %d", child) : "any child process";
}

/* poll() of one descriptor is a wait for that one. */
static void fill_poll(const struct rw_wait_look *look, struct rw_wait_on *wait,
                      const struct rw_proc_syscall *call)
{
    struct pollfd one;

    if ((call->number == SYS_poll || call->number == SYS_ppoll) && call->argument[1] == 1 &&
        rw_memory_read(look->image->memory, call->argument[0], &one, sizeof(one)) == 0)
        wait->fd = one.fd;
}

static void fill_call(const struct rw_wait_look *look, struct rw_thread *thread,
                      const struct rw_proc_syscall *call, const struct rw_call *what)
{
    struct rw_wait_on *wait = fresh(look, thread, what->kind);

    wait->call = what->name;
    wait->evidence = talloc_asprintf(look->incident, "system call %s", what->name);
    if (what->fd_argument >= 0)
        wait->fd = (int32_t)call->argument[what->fd_argument];
    if (strcmp(what->kind, "process") == 0)
        fill_process(look, wait, call);
    else if (strcmp(what->kind, "poll") == 0)
        fill_poll(look, wait, call);
    else if (call->number == SYS_open || call->number == SYS_openat)
        rw_wait_for_open(look, thread, call);
    else if (strcmp(what->kind, "signal") == 0)
        rw_wait_for_signals(look, thread, call);
    if (wait->fd >= 0) {
        wait->object = (uint64_t)wait->fd;
        rw_proc_fd_target(look->incident, look->image->pid, thread->tid, wait->fd, &wait->name);
    }
    rw_wait_channels(look, thread, call, what);
    rw_sysv_fill(look, thread, call);
}

void rw_wait_fill(const struct rw_wait_look *look, struct rw_thread *thread,
                  const struct rw_proc_syscall *taken, const struct rw_slot *slot)
{
    struct rw_proc_syscall call = *taken;

    if (call.number < 0) {
        talloc_free(thread->waits_on);
        thread->waits_on = NULL;
        return;
    }
    rw_call_resolve(&call, look->image->memory);
    const struct rw_call *what = rw_call_of(call.number);
    if (!what) {
        struct rw_wait_on *wait = fresh(look, thread, "syscall");
        wait->call = talloc_asprintf(look->incident, "system call %d", call.number);
        wait->evidence = wait->call;
        return;
    }
    if (strcmp(what->kind, "futex") == 0)
        fill_futex(look, thread, &call, slot);
    else
        fill_call(look, thread, &call, what);
    if (thread->waits_on->evidence && strncmp(thread->waits_on->evidence, "recording", 9) == 0 &&
        thread->waits_on->has_deadline)
        return; /* the recording knows the deadline as the program gave it */
    thread->waits_on->has_deadline =
        rw_call_deadline(what, &call, look->image->memory, &thread->waits_on->deadline_in_s);
}
