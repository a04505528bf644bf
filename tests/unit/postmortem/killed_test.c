/* SPDX-License-Identifier: MIT */
/*
 * A real program, recorded by the real shim, SIGKILLed with nobody watching: what the folder still tells.
 * The test runs itself as that program.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <talloc.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#include "tests/unit/recording/make_recording.h"
#include "tools/incident/model.h"
#include "tools/postmortem/postmortem.h"

#define PATIENCE_S 30

/* The runtimes of these sanitizers insist on being loaded before any preloaded library. */
#ifndef __has_feature
#define __has_feature(feature) 0
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) || __has_feature(address_sanitizer) ||     \
    __has_feature(thread_sanitizer)
#define CANNOT_PRELOAD true
#else
#define CANNOT_PRELOAD false
#endif

static pthread_mutex_t lock_a = PTHREAD_MUTEX_INITIALIZER, lock_b = PTHREAD_MUTEX_INITIALIZER;
static pthread_barrier_t both_have_one;

static __attribute__((noinline)) void takes_b_after_a(void)
{
    pthread_mutex_lock(&lock_a);
    pthread_barrier_wait(&both_have_one);
    pthread_mutex_lock(&lock_b);
    pthread_mutex_unlock(&lock_b);
}

static void *other_thread(void *unused)
{
    pthread_setname_np(pthread_self(), "a-then-b");
    takes_b_after_a();
    return unused;
}

static __attribute__((noinline)) int hang(void)
{
    pthread_t thread;
    setenv("PYTEST_CURRENT_TEST", "drill.py::test_two_locks (call)", 1);
    pthread_barrier_init(&both_have_one, NULL, 2);
    pthread_create(&thread, NULL, other_thread, NULL);
    pthread_mutex_lock(&lock_b);
    pthread_barrier_wait(&both_have_one);
    pthread_mutex_lock(&lock_a);
    return 0;
}

static char *folder;
static int pid;

static double now_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void start_program(void)
{
    const char *shim = getenv("RACEWATCH_SHIM");
    assert_non_null(shim);
    char *absolute = realpath(shim, NULL);
    assert_non_null(absolute);
    folder = make_folder();
    pid = fork();
    if (pid == 0) {
        char session[4200];
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        snprintf(session, sizeof(session), "%d:%s", getppid(), folder);
        setenv("RACEWATCH_SESSION", session, 1);
        setenv("LD_PRELOAD", absolute, 1);
        execl("/proc/self/exe", "drill", "hang", (char *)NULL);
        _exit(127);
    }
    free(absolute);
}

/* The path of the only recording, without its suffix; false if there is none yet. */
static bool find_recording(char stem[4096])
{
    DIR *entries = opendir(folder);
    bool is_found = false;
    for (struct dirent *entry; (entry = readdir(entries)) != NULL;) {
        char *dot = strrchr(entry->d_name, '.');
        if (dot == NULL || strcmp(dot, ".rec") != 0)
            continue;
        snprintf(stem, 4096, "%s/%.*s", folder, (int)(dot - entry->d_name), entry->d_name);
        is_found = true;
    }
    closedir(entries);
    return is_found;
}

static bool is_waiting_for_a_mutex(struct rw_reader *reader, unsigned index)
{
    struct rw_slot slot;
    return rw_reader_slot(reader, index, &slot) == 0 && slot.state == RW_THREAD_WAITING &&
           slot.wait.kind == RW_WAIT_MUTEX;
}

/* Waits, through the recording, until both threads are stuck. */
static void wait_for_the_deadlock(const char *stem)
{
    char path[4200], *why;
    struct rw_reader *reader = NULL;
    snprintf(path, sizeof(path), "%s.rec", stem);
    for (double end = now_s() + PATIENCE_S; now_s() < end;
         nanosleep(&(struct timespec){.tv_nsec = 2000000}, NULL)) {
        if (reader == NULL && rw_reader_open(path, &reader, &why) != 0) {
            talloc_free(why);
            continue;
        }
        if (rw_reader_refresh(reader) == 0 && is_waiting_for_a_mutex(reader, 0) &&
            is_waiting_for_a_mutex(reader, 1)) {
            rw_reader_close(reader);
            return;
        }
    }
    fail_msg("the program did not get stuck");
}

/* What the monitor does when it first sees a process. */
static void save_maps(const char *stem)
{
    char path[4200], buffer[4096];
    snprintf(path, sizeof(path), "/proc/%d/maps", pid);
    FILE *from = fopen(path, "re");
    snprintf(path, sizeof(path), "%s.maps", stem);
    FILE *to = fopen(path, "we");
    assert_non_null(from);
    assert_non_null(to);
    for (size_t length; (length = fread(buffer, 1, sizeof(buffer), from)) > 0;)
        assert_int_equal(fwrite(buffer, 1, length, to), length);
    fclose(from);
    fclose(to);
}

static bool has_frame(const struct rw_thread *thread, const char *function)
{
    for (size_t i = 0; i < thread->native_count; i++) {
        if (thread->native[i].function != NULL && strcmp(thread->native[i].function, function) == 0)
            return true;
    }
    return false;
}

static bool has_event(const struct rw_thread *thread, const char *event, const char *part)
{
    for (size_t i = 0; i < thread->history_count; i++) {
        if (strcmp(thread->history[i].event, event) == 0 && strstr(thread->history[i].detail, part) != NULL)
            return true;
    }
    return false;
}

static void a_killed_deadlock_is_told_from_its_recording(void **state)
{
    (void)state;
    char stem[4096], *why;
    const char *all_ended;
    struct rw_incident *incident;
    if (CANNOT_PRELOAD)
        skip();
    start_program();
    double end = now_s() + PATIENCE_S;
    while (!find_recording(stem) && now_s() < end)
        nanosleep(&(struct timespec){.tv_nsec = 2000000}, NULL);
    assert_true(find_recording(stem));
    wait_for_the_deadlock(stem);
    save_maps(stem);
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);

    assert_int_equal(rw_postmortem(folder, NULL, &incident, &all_ended, &why), 0);
    assert_int_equal(incident->process_count, 1);
    const struct rw_process_info *process = &incident->processes[0];
    assert_int_equal(process->pid, pid);
    assert_false(process->is_alive);
    assert_string_equal(process->test, "drill.py::test_two_locks");
    assert_int_equal(process->thread_count, 2);
    const struct rw_thread *main_thread = &process->threads[0], *other = &process->threads[1];

    assert_string_equal(main_thread->waits_on->kind, "mutex");
    assert_int_not_equal(main_thread->waits_on->object, other->waits_on->object);
    assert_string_equal(main_thread->waits_on->name, "mutex lock_a");
    assert_int_equal(main_thread->waits_on->owner.tid, other->tid);
    assert_int_equal(other->waits_on->owner.tid, main_thread->tid);
    assert_string_equal(other->name, "a-then-b");
    assert_int_equal(other->creator_tid, pid);
    assert_string_equal(other->created_in_test, "drill.py::test_two_locks");
    assert_non_null(strstr(other->start_routine, "other_thread ("));
    assert_non_null(
        strstr(other->created_at, "killed_test.c:")); /* there is debug information of this file */

    assert_string_equal(main_thread->stack_source, "recording");
    assert_true(has_frame(main_thread, "hang"));
    assert_true(has_frame(other, "takes_b_after_a"));
    assert_true(has_frame(other, "other_thread"));
    assert_true(has_event(main_thread, "thread-create", "'a-then-b'"));
    assert_true(has_event(main_thread, "test-begin", "drill.py::test_two_locks"));
    assert_true(has_event(other, "wait", "waits for mutex"));
    talloc_free(incident);
    remove_folder(folder);
}

int main(int argument_count, char **arguments)
{
    if (argument_count == 2 && strcmp(arguments[1], "hang") == 0)
        return hang();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_killed_deadlock_is_told_from_its_recording),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
