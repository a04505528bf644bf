/* SPDX-License-Identifier: MIT */
/* Snapshots where tracing is refused: by a debugger that is there already, by a filter on this program, by
 * the process itself. Argument: the program that hangs. */
#include <errno.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <talloc.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/unit/snapshot/hanging.h"
#include "tools/incident/model.h"
#include "tools/snapshot/proc.h"

static const char *program;

/* Runs `check` in a child that `become` has changed, since a change of that kind lasts; its assertions count
 * here. */
static void in_child(void (*become)(void), void (*check)(struct hanging *), struct hanging *hanging)
{
    int status;
    pid_t child = fork();

    if (child == 0) {
        become();
        check(hanging);
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

#define REQUIRE(condition)                                                                                   \
    do {                                                                                                     \
        if (!(condition)) {                                                                                  \
            fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition);                          \
            _exit(1);                                                                                        \
        }                                                                                                    \
    } while (0)

static bool has_note(const struct snapshot *snapshot, const char *part)
{
    for (size_t i = 0; i < snapshot->process->note_count; i++)
        if (strstr(snapshot->process->notes[i], part))
            return true;
    return false;
}

/* Blocked threads' stacks lie still, so they are read as they are; and what they wait for is known as ever.
 */
static void check_read_from_memory(struct hanging *hanging)
{
    struct snapshot snapshot = snapshot_take(hanging->pid);

    REQUIRE(snapshot.result == 0);
    const struct rw_thread *thread = snapshot_thread(&snapshot, "wait_a_then_b");
    const struct rw_thread *owner = snapshot_thread(&snapshot, "wait_b_then_a");
    REQUIRE(thread && owner);
    REQUIRE(strcmp(thread->stack_source, "memory") == 0);
    REQUIRE(thread->stack_note == NULL);
    REQUIRE(thread->stopped_us == 0);
    REQUIRE(thread_is_whole(thread));
    REQUIRE(strcmp(thread->waits_on->kind, "mutex") == 0);
    REQUIRE(thread->waits_on->owner.tid == owner->tid);
    snapshot_free(&snapshot);
}

static void check_names_tracer(struct hanging *hanging)
{
    char comm[RW_COMM_MAX];

    check_read_from_memory(hanging);
    struct snapshot snapshot = snapshot_take(hanging->pid);
    REQUIRE(rw_proc_comm(getppid(), comm) == 0);
    REQUIRE(has_note(&snapshot, comm));
    REQUIRE(has_note(&snapshot, "traces the process"));
    snapshot_free(&snapshot);
}

static void nothing(void)
{
}

/* As gdb and strace do; the threads are seized, and left running or stopped. One runs: the others need not be
 * stopped by anybody. */
static void says_who_traces_it_already(void **state)
{
    struct hanging hanging = hanging_start(program, "spin", NULL, 1);
    size_t count;
    int *tids;

    (void)state;
    assert_int_equal(rw_proc_threads(NULL, hanging.pid, &tids, &count), 0);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(ptrace(PTRACE_SEIZE, tids[i], NULL, NULL), 0);
    in_child(nothing, check_names_tracer, &hanging);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(ptrace(PTRACE_INTERRUPT, tids[i], NULL, NULL), 0);
        assert_int_equal(waitpid(tids[i], NULL, __WALL), tids[i]);
    }
    in_child(nothing, check_names_tracer, &hanging);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(ptrace(PTRACE_DETACH, tids[i], NULL, NULL), 0);
    talloc_free(tids);
    hanging_end(&hanging);
}

/* A filter on whoever looks. */
static void lose_both(unsigned call, unsigned other)
{
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, call, 1, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, other, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program_of_filter = {sizeof(filter) / sizeof(filter[0]), filter};

    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
        prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program_of_filter))
        _exit(2);
}

/* A container's. */
static void lose_calls(void)
{
    lose_both(SYS_ptrace, SYS_process_vm_readv);
}

static void check_filtered(struct hanging *hanging)
{
    check_read_from_memory(hanging);
    struct snapshot snapshot = snapshot_take(hanging->pid);
    REQUIRE(has_note(&snapshot, "tracing was refused"));
    snapshot_free(&snapshot);
}

static void works_under_a_filter(void **state)
{
    struct hanging hanging = hanging_start(program, "spin", NULL, 1);

    (void)state;
    in_child(lose_calls, check_filtered, &hanging);
    assert_false(hanging_was_disturbed(&hanging));
    hanging_end(&hanging);
}

/* As an ordinary user is against a process of its own. */
static void lose_privilege(void)
{
    struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
    struct __user_cap_data_struct data[2];

    if (syscall(SYS_capget, &header, data) < 0)
        _exit(2);
    data[0].effective &= ~(1u << CAP_SYS_PTRACE);
    data[0].permitted &= ~(1u << CAP_SYS_PTRACE);
    data[0].inheritable &= ~(1u << CAP_SYS_PTRACE);
    if (syscall(SYS_capset, &header, data) < 0)
        _exit(2);
}

/* PR_SET_DUMPABLE 0: the same user may see that there are threads, and no more. */
static void check_private(struct hanging *hanging)
{
    struct snapshot snapshot = snapshot_take(hanging->pid);

    REQUIRE(snapshot.result == 0);
    REQUIRE(snapshot.process->thread_count > 10);
    for (size_t i = 0; i < snapshot.process->thread_count; i++) {
        const struct rw_thread *thread = &snapshot.process->threads[i];
        REQUIRE(thread->is_alive && thread->os_state == 'S');
        REQUIRE(strcmp(thread->stack_source, "none") == 0);
        REQUIRE(thread->stack_note != NULL);
    }
    REQUIRE(has_note(&snapshot, "tracing was refused"));
    snapshot_free(&snapshot);
}

static void says_what_a_private_process_hides(void **state)
{
    struct hanging hanging = hanging_start(program, "private", NULL, 0);

    (void)state;
    in_child(lose_privilege, check_private, &hanging);
    hanging_end(&hanging);
}

/* In vfork until its child goes, where no tracer stops it. Returns when the child is there. */
static struct hanging start_unstoppable(void)
{
    struct hanging hanging;
    int ends[2];
    char byte;

    assert_int_equal(pipe(ends), 0);
    hanging = (struct hanging){.pid = fork(), .output = ends[0]};
    if (hanging.pid == 0) {
        /* Not by vfork, of which ThreadSanitizer makes a fork. */
        const pid_t child = (pid_t)syscall(SYS_clone, CLONE_VFORK | SIGCHLD, NULL, NULL, NULL, NULL);
        if (child == 0) {
            if (write(ends[1], "", 1) != 1)
                _exit(1);
            pause();
        }
        int status;
        _exit(waitpid(child, &status, 0) == child && WIFSIGNALED(status) ? 7 : 1);
    }
    close(ends[1]);
    assert_int_equal(read(ends[0], &byte, 1), 1);
    return hanging;
}

static void check_is_given_up(struct hanging *hanging)
{
    struct snapshot snapshot = snapshot_take(hanging->pid);

    REQUIRE(snapshot.result == 0);
    /* Not the only one where a sanitizer has a thread of its own. */
    const struct rw_thread *thread = rw_process_find_thread(snapshot.process, hanging->pid);
    REQUIRE(thread && thread->stack_note && strstr(thread->stack_note, "it did not stop in time"));
    snapshot_free(&snapshot);
}

static void lose_timers(void)
{
    lose_both(SYS_timer_create, SYS_sched_setaffinity);
}

static void gives_up_a_thread_that_does_not_stop(void **state)
{
    void (*const become[])(void) = {nothing, lose_timers};
    int *children, status;
    size_t count;

    (void)state;
    for (size_t i = 0; i < sizeof(become) / sizeof(become[0]); i++) {
        struct hanging hanging = start_unstoppable();
        in_child(become[i], check_is_given_up, &hanging);
        /* And it goes on as if nobody had tried. */
        assert_int_equal(rw_proc_children(NULL, hanging.pid, &children, &count), 0);
        assert_int_equal(count, 1);
        assert_int_equal(kill(children[0], SIGKILL), 0);
        assert_int_equal(waitpid(hanging.pid, &status, 0), hanging.pid);
        assert_int_equal(status, 7 << 8);
        talloc_free(children);
        close(hanging.output);
    }
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(says_who_traces_it_already),
        cmocka_unit_test(works_under_a_filter),
        cmocka_unit_test(says_what_a_private_process_hides),
        cmocka_unit_test(gives_up_a_thread_that_does_not_stop),
    };

    if (argc != 2)
        return 2;
    program = argv[1];
    return cmocka_run_group_tests(tests, NULL, NULL);
}
