/* SPDX-License-Identifier: MIT */
/* Snapshots of a program that really hangs in every way. Arguments: the program, and the same linked
 * statically. */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <talloc.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/unit/snapshot/hanging.h"
#include "tools/incident/model.h"
#include "tools/snapshot/peers.h"
#include "tools/snapshot/proc.h"

static const char *program, *static_program;

/* What must be said of the thread in a function: what it waits for, by which call, and in which function the
 * owner is ("": nobody can be known, "main": the main thread). */
static const struct {
    const char *function, *kind, *call, *name, *owner;
    bool has_deadline;
    bool is_left_by_a_jump; /* the exported function jumps into one that has a name in libc6-dbg only */
} expected[] = {
    {"wait_a_then_b", "mutex", "pthread_mutex_lock", "mutex lock_b", "wait_b_then_a", false, false},
    {"wait_b_then_a", "mutex", "pthread_mutex_lock", "mutex lock_a", "wait_a_then_b", false, false},
    {"wait_pi", "mutex", "pthread_mutex_lock", "mutex lock_pi", "main", false, true},
    {"wait_robust", "mutex", "pthread_mutex_lock", "mutex lock_robust", "main", false, true},
    {"wait_write", "rwlock", "pthread_rwlock_wrlock", "rwlock rwlock", "main", false, false},
    {"wait_read_lock", "rwlock", "pthread_rwlock_rdlock", "rwlock rwlock", "main", false, false},
    {"wait_cond", "condition", "pthread_cond_wait", "condition cond", "", false, false},
    {"wait_semaphore", "semaphore", "sem_wait", "semaphore semaphore", "", false, true},
    {"wait_semaphore_until", "semaphore", "sem_wait", "semaphore semaphore", "", true, true},
    {"wait_barrier", "barrier", "pthread_barrier_wait", "barrier never", "", false, false},
    {"wait_join", "join", "pthread_join", NULL, "wait_a_then_b", false, true},
    {"wait_sleep", "sleep", "clock_nanosleep", NULL, "", true, false},
    {"wait_pause", "signal", "pause", NULL, "", false, false},
    {"wait_epoll", "poll", "epoll_wait", "anon_inode:[eventpoll]", "", false, false},
    {"wait_pipe", "read", "read", NULL, "", false, false},
    {"wait_child", "process", "wait4", NULL, "", false, false},
    {"wait_raw_futex", "futex", "futex", NULL, "", false, false},
    {"run_once", "futex", "futex", NULL, "", false, false},
    {"wait_once", "once", "pthread_once", "once control", "run_once", false, true},
};

static void check_thread(const struct snapshot *snapshot, size_t i)
{
    const struct rw_thread *thread = snapshot_thread(snapshot, expected[i].function);

    assert_non_null(thread);
    const struct rw_wait_on *wait = thread->waits_on;
    assert_non_null(wait);
    assert_string_equal(wait->kind, expected[i].kind);
    assert_string_equal(wait->call, expected[i].call);
    assert_int_equal(wait->has_deadline, expected[i].has_deadline);
    if (expected[i].name) {
        assert_non_null(wait->name);
        assert_string_equal(wait->name, expected[i].name);
    }
    if (expected[i].owner[0] == '\0') {
        assert_int_equal(wait->owner.tid, -1);
        return;
    }
    assert_int_equal(wait->owner.certainty, strcmp(wait->kind, "once") == 0 ? RW_INFERRED : RW_EXACT);
    assert_int_equal(wait->owner.pid, snapshot->process->pid);
    if (strcmp(expected[i].owner, "main") == 0)
        assert_int_equal(wait->owner.tid, snapshot->process->pid);
    else
        assert_int_equal(wait->owner.tid, snapshot_thread(snapshot, expected[i].owner)->tid);
}

/* `woken`: a thread whose wait may be over, or NULL. */
static void check_all_but(const struct snapshot *snapshot, const char *woken)
{
    assert_int_equal(snapshot->result, 0);
    for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++)
        if ((!expected[i].is_left_by_a_jump || snapshot_names_libc(snapshot)) &&
            !(woken && strcmp(woken, expected[i].function) == 0))
            check_thread(snapshot, i);
    for (size_t i = 0; i < snapshot->process->thread_count; i++) {
        const struct rw_thread *thread = &snapshot->process->threads[i];
        /* Every stack leads out to where its thread began. */
        assert_true(!thread->is_alive || thread_is_whole(thread));
    }
}

static void check_all(const struct snapshot *snapshot)
{
    check_all_but(snapshot, NULL);
}

/* Twice, and nobody noticed: epoll_wait above all, which a stop would have return EINTR. */
static void tells_every_wait(void **state)
{
    struct hanging hanging = hanging_start(program, NULL, NULL, 0);

    (void)state;
    for (int look = 0; look < 2; look++) {
        struct snapshot snapshot = snapshot_take(hanging.pid);
        check_all(&snapshot);
        assert_null(snapshot_thread(&snapshot, "wait_with_handler")->stack_note);
        snapshot_free(&snapshot);
    }
    assert_false(hanging_was_disturbed(&hanging));
    assert_int_equal(hanging_count_state(hanging.pid, 't'), 0);
    hanging_end(&hanging);
}

static uint64_t *switches_of(const struct hanging *hanging, const int *tids, size_t count)
{
    uint64_t *switches = talloc_array(NULL, uint64_t, count);

    for (size_t i = 0; i < count; i++)
        assert_int_equal(rw_proc_switches(hanging->pid, tids[i], &switches[i]), 0);
    return switches;
}

/* Not for the length of a stop even: the kernel has not given them a processor. One runs, and is stopped. */
static void leaves_sleepers_asleep(void **state)
{
    struct hanging hanging = hanging_start(program, "spin", NULL, 1);
    size_t count;
    int *tids;

    (void)state;
    assert_int_equal(rw_proc_threads(NULL, hanging.pid, &tids, &count), 0);
    uint64_t *before = switches_of(&hanging, tids, count);
    struct snapshot snapshot = snapshot_take(hanging.pid);
    uint64_t *after = switches_of(&hanging, tids, count);
    check_all(&snapshot);
    int running = snapshot_thread(&snapshot, "spin")->tid;
    for (size_t i = 0; i < count; i++) {
        const struct rw_thread *thread = rw_process_find_thread(snapshot.process, tids[i]);
        assert_string_equal(thread->stack_source, tids[i] == running ? "ptrace" : "memory");
        assert_int_equal(thread->stopped_us > 0, tids[i] == running);
        if (tids[i] != running)
            assert_int_equal(after[i], before[i]);
    }
    snapshot_free(&snapshot);
    talloc_free(before);
    talloc_free(after);
    talloc_free(tids);
    hanging_end(&hanging);
}

/* A wait whose word has changed without a wake-up would find that out, if it were interrupted. */
static void does_not_end_a_wait_that_was_forgotten(void **state)
{
    struct hanging hanging = hanging_start(program, NULL, NULL, 0);
    struct snapshot snapshot = snapshot_take(hanging.pid);
    int tid = snapshot_thread(&snapshot, "wait_raw_futex")->tid;
    struct rw_proc_syscall call;
    int changed = 7;

    (void)state;
    snapshot_free(&snapshot);
    assert_int_equal(rw_proc_syscall(hanging.pid, tid, &call), 0);
    struct iovec here = {.iov_base = &changed, .iov_len = sizeof(changed)},
                 there = {.iov_base = (void *)call.argument[0], .iov_len = sizeof(changed)};
    assert_int_equal(process_vm_writev(hanging.pid, &here, 1, &there, 1, 0), sizeof(changed));
    for (int look = 0; look < 2; look++) {
        snapshot = snapshot_take(hanging.pid);
        check_all(&snapshot);
        const struct rw_thread *thread = snapshot_thread(&snapshot, "wait_raw_futex");
        assert_string_equal(thread->stack_source, "memory");
        assert_non_null(strstr(thread->stack_note, "was 0 when it fell asleep, is 7 now"));
        snapshot_free(&snapshot);
    }
    assert_false(hanging_was_disturbed(&hanging));
    hanging_end(&hanging);
}

static void unwinds_static_programs(void **state)
{
    struct hanging hanging = hanging_start(static_program, NULL, NULL, 0);
    struct snapshot snapshot = snapshot_take(hanging.pid);

    (void)state;
    check_all(&snapshot);
    snapshot_free(&snapshot);
    hanging_end(&hanging);
}

static void names_file_and_line(void **state)
{
    struct hanging hanging = hanging_start(program, NULL, NULL, 0);
    struct snapshot snapshot = snapshot_take(hanging.pid);

    (void)state;
    const struct rw_thread *thread = snapshot_thread(&snapshot, "wait_pause");
    const struct rw_frame *frame = &thread->native[thread_frame(thread, "wait_pause")];
    assert_non_null(strstr(frame->file, "hang.c"));
    assert_true(frame->line > 0);
    assert_int_equal(strlen(frame->build_id), 40);
    snapshot_free(&snapshot);
    hanging_end(&hanging);
}

/* Each call of a chain that the compiler made one function of. */
static void names_every_inlined_call(void **state)
{
    struct hanging hanging = hanging_start(program, NULL, NULL, 0);
    struct snapshot snapshot = snapshot_take(hanging.pid);

    (void)state;
    const struct rw_thread *thread = snapshot_thread(&snapshot, "wait_inlined");
    assert_non_null(thread);
    int outer = thread_frame(thread, "wait_inlined");
    assert_int_equal(thread_frame(thread, "middle_inline"), outer - 1);
    assert_int_equal(thread_frame(thread, "innermost_inline"), outer - 2);
    assert_true(thread->native[outer - 1].is_inlined && thread->native[outer - 2].is_inlined);
    assert_true(thread->native[outer - 2].line < thread->native[outer - 1].line);
    assert_true(thread->native[outer - 1].line < thread->native[outer].line);
    snapshot_free(&snapshot);
    hanging_end(&hanging);
}

static void follows_stacks_longer_than_a_copy(void **state)
{
    struct hanging hanging = hanging_start(program, NULL, NULL, 0);
    struct snapshot snapshot = snapshot_take(hanging.pid);

    (void)state;
    const struct rw_thread *thread = snapshot_thread(&snapshot, "wait_deep");
    assert_non_null(thread);
    assert_true(thread_frame(thread, "wait_deep") > 100);
    snapshot_free(&snapshot);
    hanging_end(&hanging);
}

static void unwinds_through_signal_handlers(void **state)
{
    struct hanging hanging = hanging_start(program, NULL, NULL, 0);
    struct snapshot snapshot = snapshot_take(hanging.pid);

    (void)state;
    const struct rw_thread *thread = snapshot_thread(&snapshot, "wait_handler");
    assert_non_null(thread);
    int handler = thread_frame(thread, "handle"), signal = thread_frame(thread, "__restore_rt");
    int interrupted = thread_frame(thread, "wait_handler");
    assert_true(handler > 0);
    assert_true(handler < interrupted);
    /* libc's name for it is in its debug package alone. */
    assert_true(signal < 0 || signal == handler + 1);
    assert_true(thread_frame(thread, "start_thread") < 0 ||
                thread_frame(thread, "start_thread") > interrupted);
    snapshot_free(&snapshot);
    hanging_end(&hanging);
}

/* The leader is a zombie then: its maps are empty, and it cannot be traced or read. */
static void sees_past_a_main_thread_that_ended(void **state)
{
    struct hanging hanging = hanging_start(program, "exit-main", NULL, 0);
    struct snapshot snapshot = snapshot_take(hanging.pid);

    (void)state;
    assert_int_equal(snapshot.result, 0);
    assert_true(snapshot.process->is_alive);
    assert_int_equal(snapshot.process->threads[0].tid, hanging.pid);
    assert_false(snapshot.process->threads[0].is_alive);
    assert_non_null(snapshot.process->threads[0].stack_note);
    check_thread(&snapshot, 0);
    check_thread(&snapshot, 1);
    /* Its locks are still its own, though it is gone. */
    const struct rw_thread *thread = snapshot_thread(&snapshot, "wait_write");
    assert_int_equal(thread->waits_on->owner.tid, hanging.pid);
    assert_non_null(strstr(thread->waits_on->owner.how, "no such thread"));
    snapshot_free(&snapshot);
    hanging_end(&hanging);
}

static void leaves_a_stopped_process_stopped(void **state)
{
    struct hanging hanging = hanging_start(program, NULL, NULL, 0);
    siginfo_t info = {0};

    (void)state;
    int threads = hanging_count_state(hanging.pid, 'S');
    kill(hanging.pid, SIGSTOP);
    assert_int_equal(waitid(P_PID, (id_t)hanging.pid, &info, WSTOPPED), 0);
    struct snapshot snapshot = snapshot_take(hanging.pid);
    check_all(&snapshot);
    assert_int_equal(snapshot.process->threads[0].os_state, 'T');
    /* A thread that was let go has to run for a moment to stop again. */
    for (int turn = 0; turn < 1000 && hanging_count_state(hanging.pid, 'T') != threads; turn++)
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    assert_int_equal(hanging_count_state(hanging.pid, 'T'), threads);
    /* And its parent is not told a second time. */
    info.si_pid = 0;
    assert_int_equal(waitid(P_PID, (id_t)hanging.pid, &info, WSTOPPED | WCONTINUED | WNOHANG), 0);
    assert_int_equal(info.si_pid, 0);
    snapshot_free(&snapshot);
    hanging_end(&hanging);
}

static void tells_running_from_waiting(void **state)
{
    struct hanging hanging = hanging_start(program, "spin", NULL, 1);
    struct snapshot snapshot = snapshot_take(hanging.pid);

    (void)state;
    const struct rw_thread *thread = snapshot_thread(&snapshot, "spin");
    assert_non_null(thread);
    assert_int_equal(thread->os_state, 'R');
    assert_null(thread->waits_on);
    assert_true(thread->cpu_s > 0);
    snapshot_free(&snapshot);
    hanging_end(&hanging);
}

/* However little of a processor it gets, and though the look stops it. */
static void who_only_runs_is_known_not_to_have_blocked(void **state)
{
    struct hanging hanging = hanging_start(program, "spin", NULL, 1);
    struct snapshot first = snapshot_take(hanging.pid);

    (void)state;
    rw_peers_fill(first.incident);
    struct snapshot second = snapshot_take(hanging.pid);
    int64_t blocks = snapshot_thread(&first, "spin")->blocks;
    assert_true(blocks >= 0);
    assert_int_equal(snapshot_thread(&second, "spin")->blocks_before, blocks);
    assert_int_equal(snapshot_thread(&first, "wait_semaphore")->blocks, -1);
    snapshot_free(&first);
    snapshot_free(&second);
    hanging_end(&hanging);
}

static void takes_many_threads(void **state)
{
    struct hanging hanging = hanging_start(program, "many", "500", 0);
    struct snapshot snapshot = snapshot_take(hanging.pid);
    size_t whole = 0;

    (void)state;
    assert_true(snapshot.process->thread_count > 500);
    for (size_t i = 0; i < snapshot.process->thread_count; i++)
        whole += thread_frame(&snapshot.process->threads[i], "wait_semaphore") >= 0;
    assert_int_equal(whole, 501);
    snapshot_free(&snapshot);
    hanging_end(&hanging);
}

/* Whoever looks may be killed at any moment. */
/* One that is killed between a stop and the restart code cannot keep EINTR from epoll_wait. */
static void leaves_nothing_stopped_when_killed(void **state)
{
    struct hanging hanging = hanging_start(program, "many", "100", 0);

    (void)state;
    for (int i = 0; i < 20; i++) {
        pid_t looker = fork();
        if (looker == 0)
            for (;;) {
                struct snapshot snapshot = snapshot_take(hanging.pid);
                snapshot_free(&snapshot);
            }
        nanosleep(&(struct timespec){.tv_nsec = 3000000 + i * 700000}, NULL);
        kill(looker, SIGKILL);
        waitpid(looker, NULL, 0);
        assert_int_equal(hanging_count_state(hanging.pid, 't'), 0);
    }
    struct snapshot snapshot = snapshot_take(hanging.pid);
    check_all_but(&snapshot, "wait_epoll");
    snapshot_free(&snapshot);
    assert_false(hanging_was_disturbed_but(&hanging, "wait_epoll"));
    hanging_end(&hanging);
}

static void says_that_a_process_is_gone(void **state)
{
    struct hanging hanging = hanging_start(program, NULL, NULL, 0);
    struct rw_image *image;

    (void)state;
    assert_true(rw_proc_alive(hanging.pid, 0));
    assert_false(
        rw_proc_alive(hanging.pid, 1)); /* a process of that number that began at boot is not this one */
    hanging_end(&hanging);
    assert_false(rw_proc_alive(hanging.pid, 0));
    assert_int_equal(rw_image_open(NULL, hanging.pid, NULL, &image), -ESRCH);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tells_every_wait),
        cmocka_unit_test(leaves_sleepers_asleep),
        cmocka_unit_test(does_not_end_a_wait_that_was_forgotten),
        cmocka_unit_test(unwinds_static_programs),
        cmocka_unit_test(names_file_and_line),
        cmocka_unit_test(names_every_inlined_call),
        cmocka_unit_test(follows_stacks_longer_than_a_copy),
        cmocka_unit_test(unwinds_through_signal_handlers),
        cmocka_unit_test(sees_past_a_main_thread_that_ended),
        cmocka_unit_test(leaves_a_stopped_process_stopped),
        cmocka_unit_test(tells_running_from_waiting),
        cmocka_unit_test(who_only_runs_is_known_not_to_have_blocked),
        cmocka_unit_test(takes_many_threads),
        cmocka_unit_test(leaves_nothing_stopped_when_killed),
        cmocka_unit_test(says_that_a_process_is_gone),
    };

    if (argc != 3)
        return 2;
    program = argv[1];
    static_program = argv[2];
    return cmocka_run_group_tests(tests, NULL, NULL);
}
