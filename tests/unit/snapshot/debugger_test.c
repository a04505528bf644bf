/* SPDX-License-Identifier: MIT */
/* The frames of every thread are those that gdb finds, where there is a gdb. Argument: the program that
 * hangs. */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/snapshot/hanging.h"
#include "tools/incident/model.h"

static const char *program;

#define FRAMES_MAX 300

struct debugger_stack {
    uint64_t pc[FRAMES_MAX];
    int count;
};

/* gdb has all our frames, in that order, and both end at the same. It has more: inlined calls, and functions
 * that ended by jumping into another one (waitpid into wait4), which have no place on the stack. */
static void compare(const struct rw_thread *thread, const struct debugger_stack *stack)
{
    int at = 0, frames = 0;

    for (size_t i = 0; i < thread->native_count; i++) {
        const struct rw_frame *frame = &thread->native[i];
        /* gdb calls the latter "<signal handler called>". */
        if (frame->is_inlined || (frame->function && strcmp(frame->function, "__restore_rt") == 0))
            continue;
        frames++;
        while (at < stack->count && stack->pc[at] != frame->pc)
            at++;
        if (at++ == stack->count)
            fail_msg("thread %d: gdb does not have %s, pc 0x%" PRIx64, thread->tid, frame->function,
                     frame->pc);
    }
    assert_true(frames > 3);
    assert_int_equal(at, stack->count);
}

/* Prints "Thread 2 (Thread 0x7f.. (LWP 123) "name"):" and "#3  0x55.. in function (..) at ..", without the
 * address for inlined calls. */
static void agrees_with_gdb(void **state)
{
    static const char how[] =
        "gdb -nx -batch -iex 'set debuginfod enabled off' -iex 'set print frame-info "
        "location-and-address' -iex 'set backtrace past-main on' -p %d -ex 'thread apply all bt' 2>/dev/null";
    struct hanging hanging = hanging_start(program, NULL, NULL, 0);
    struct snapshot snapshot = snapshot_take(hanging.pid);
    struct debugger_stack *stacks = calloc(snapshot.process->thread_count, sizeof(*stacks)), *stack = NULL;
    char command[256], line[4096];

    (void)state;
    snprintf(command, sizeof(command), how, hanging.pid);
    FILE *gdb = popen(command, "re");
    assert_non_null(gdb);
    while (fgets(line, sizeof(line), gdb)) {
        const char *lwp = strncmp(line, "Thread ", 7) == 0 ? strstr(line, "(LWP ") : NULL;
        uint64_t pc;
        if (lwp) {
            const struct rw_thread *thread = rw_process_find_thread(snapshot.process, atoi(lwp + 5));
            assert_non_null(thread);
            stack = &stacks[thread - snapshot.process->threads];
        } else if (stack && stack->count < FRAMES_MAX && sscanf(line, "#%*d 0x%" SCNx64 " in", &pc) == 1)
            stack->pc[stack->count++] = pc;
    }
    bool is_missing = pclose(gdb) == 127 << 8;
    hanging_end(&hanging);
    for (size_t i = 0; !is_missing && i < snapshot.process->thread_count; i++)
        compare(&snapshot.process->threads[i], &stacks[i]);
    snapshot_free(&snapshot);
    free(stacks);
    if (is_missing)
        skip();
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(agrees_with_gdb),
    };

    if (argc != 2)
        return 2;
    program = argv[1];
    return cmocka_run_group_tests(tests, NULL, NULL);
}
