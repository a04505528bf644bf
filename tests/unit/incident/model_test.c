/* SPDX-License-Identifier: MIT */
#include "tests/unit/incident/fixtures.h"
#include "tools/incident/accounts.h"
#include "tools/incident/left.h"
#include "tools/incident/utf8.h"
#include "tools/incident/words.h"

static void main_thread_comes_first(void **state)
{
    struct rw_incident *incident = rw_incident_new(NULL);
    struct rw_process_info *process = rw_incident_add_process(incident, 100);

    (void)state;
    for (int tid = 200; tid < 300; tid++)
        rw_process_thread(incident, process, tid);
    rw_process_thread(incident, process, 100);
    assert_int_equal(process->thread_count, 101);
    assert_int_equal(process->threads[0].tid, 100);
    assert_true(process->threads[0].is_main);
    for (int i = 0; i < 100; i++)
        assert_int_equal(process->threads[i + 1].tid, 200 + i);
    talloc_free(incident);
}

static void a_thread_is_found_again_but_one_that_never_ran_is_always_new(void **state)
{
    struct rw_incident *incident = rw_incident_new(NULL);
    struct rw_process_info *process = rw_incident_add_process(incident, 100);

    (void)state;
    rw_process_thread(incident, process, 5)->is_daemon = 1;
    assert_int_equal(rw_process_thread(incident, process, 5)->is_daemon, 1);
    rw_process_thread(incident, process, 0);
    rw_process_thread(incident, process, 0);
    assert_int_equal(process->thread_count, 3);
    assert_null(rw_process_find_thread(process, 0));
    talloc_free(incident);
}

/* Also where there are many of them, the main thread comes late, and the list begins anew. */
static void threads_are_found_among_thousands(void **state)
{
    struct rw_incident *incident = rw_incident_new(NULL);
    struct rw_process_info *process = rw_incident_add_process(incident, 100);

    (void)state;
    for (int round = 0; round < 2; round++) {
        for (int tid = 200; tid < 5200; tid++) {
            assert_null(rw_process_find_thread(process, tid));
            rw_process_thread(incident, process, tid)->is_daemon = tid;
            rw_process_thread(incident, process, 0);
        }
        assert_null(rw_process_find_thread(process, 100));
        rw_process_thread(incident, process, 100);
        for (int tid = 200; tid < 5200; tid++)
            assert_int_equal(rw_process_find_thread(process, tid)->is_daemon, tid);
        assert_ptr_equal(rw_process_find_thread(process, 100), process->threads);
        assert_int_equal(process->thread_count, 10001);
        process->thread_count = 0;
    }
    talloc_free(incident);
}

static void what_is_not_known_says_so(void **state)
{
    struct rw_incident *incident = rw_incident_new(NULL);
    struct rw_process_info *process = rw_incident_add_process(incident, 100);
    struct rw_thread *thread = rw_process_thread(incident, process, 100);
    struct rw_wait_on *wait = rw_thread_wait_on(incident, thread);

    (void)state;
    assert_int_equal(thread->is_daemon, -1);
    assert_int_equal(thread->moved, -1);
    assert_true(thread->cpu_delta_s < 0);
    assert_int_equal(wait->owner.tid, -1);
    assert_int_equal(wait->fd, -1);
    assert_int_equal(rw_process_interpreter(incident, process, 0x1000)->gil.holder_tid, -1);
    assert_ptr_equal(rw_thread_wait_on(incident, thread), wait);
    talloc_free(incident);
}

static void a_note_is_kept_once(void **state)
{
    struct rw_incident *incident = rw_incident_new(NULL);

    (void)state;
    rw_incident_note(incident, "tracing was refused for %d", 12);
    rw_incident_note(incident, "tracing was refused for %d", 12);
    rw_incident_note(incident, "tracing was refused for %d", 13);
    assert_int_equal(incident->note_count, 2);
    talloc_free(incident);
}

static void a_second_interpreter_of_an_id_is_the_live_one(void **state)
{
    struct rw_incident *incident = rw_incident_new(NULL);
    struct rw_process_info *process = rw_incident_add_process(incident, 100);
    struct rw_interpreter_info *interpreter = rw_process_interpreter(incident, process, 0x1000);

    (void)state;
    interpreter->id = 1;
    interpreter->state = "destroyed";
    interpreter = rw_process_interpreter(incident, process, 0x2000);
    interpreter->id = 1;
    interpreter->state = "alive";
    assert_int_equal(rw_process_find_interpreter(process, 1)->address, 0x2000);
    assert_null(rw_process_find_interpreter(process, -1));
    talloc_free(incident);
}

static void bytes_that_are_no_characters_are_escaped(void **state)
{
    static const struct {
        const char *raw, *json, *line;
    } cases[] = {
        {"plain", "plain", "plain"},
        {"gr\xc3\xbc\xc3\x9f", "gr\xc3\xbc\xc3\x9f", "gr\xc3\xbc\xc3\x9f"},
        {"\xf0\x9f\x90\x8d", "\xf0\x9f\x90\x8d", "\xf0\x9f\x90\x8d"},
        {"a\xff z", "a\\xff z", "a\\xff z"},
        {"\xc3", "\\xc3", "\\xc3"},
        {"\xe2\x82", "\\xe2\\x82", "\\xe2\\x82"},
        {"\xc0\xaf", "\\xc0\\xaf", "\\xc0\\xaf"},               /* a long form */
        {"\xed\xa0\x80", "\\xed\\xa0\\x80", "\\xed\\xa0\\x80"}, /* a surrogate */
        {"\xf4\x90\x80\x80", "\\xf4\\x90\\x80\\x80", "\\xf4\\x90\\x80\\x80"},
        {"two\nlines", "two\nlines", "two\\nlines"},
        {"\x1b[31m", "\x1b[31m", "\\x1b[31m"},
        {"\xc2\x9b"
         "31m",
         "\xc2\x9b"
         "31m",
         "\\xc2\\x9b31m"}, /* a C1 control */
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *json = rw_utf8_escape(NULL, cases[i].raw), *line = rw_line_escape(NULL, cases[i].raw);
        char *again = rw_utf8_escape(NULL, json);

        assert_string_equal(json, cases[i].json);
        assert_string_equal(line, cases[i].line);
        assert_string_equal(again, json);
        talloc_free(json);
        talloc_free(line);
        talloc_free(again);
    }
}

static void durations_read_well(void **state)
{
    void *ctx = talloc_new(NULL);

    (void)state;
    assert_string_equal(rw_duration(ctx, 0.0004), "0 ms");
    assert_string_equal(rw_duration(ctx, 0.45), "450 ms");
    assert_string_equal(rw_duration(ctx, 0.9999), "1.0 s");
    assert_string_equal(rw_duration(ctx, 12.34), "12.3 s");
    assert_string_equal(rw_duration(ctx, 245), "4 min 05 s");
    assert_string_equal(rw_duration(ctx, 12000), "3 h 20 min");
    assert_string_equal(rw_duration(ctx, 1e17),
                        "27777777777777 h 46 min"); /* as a damaged file may have it */
    assert_non_null(rw_duration(ctx, 1e200));
    talloc_free(ctx);
}

static void moments_of_these_years_have_words(void **state)
{
    static const double none[] = {0, -1, 253402300800.0, 1.79e77, -1.79e77};
    void *ctx = talloc_new(NULL);

    (void)state;
    assert_string_equal(rw_utc(ctx, 1790000000.25), "2026-09-21 14:13:20 UTC");
    assert_string_equal(rw_utc(ctx, 253402300799.5), "9999-12-31 23:59:59 UTC");
    for (size_t i = 0; i < sizeof none / sizeof *none; i++)
        assert_null(rw_utc(ctx, none[i]));
    talloc_free(ctx);
}

static void the_place_is_the_users_own_line(void **state)
{
    static const struct {
        const char *fixture;
        int tid;
        const char *place;
    } cases[] = {
        {"two_locks", 4100, "/home/ann/bank/tests/test_bank.py:21 in transfer"},
        {"interpreter_destroy", 5177, "/home/ann/tractor/tests/test_backend.py:31 in park"},
        {"gil_mutex", 7103, "/home/ann/ext/registry.cpp:63 in Registry::notify()"},
        {"self_deadlock", 9100, "/home/ann/cache/cache.c:88 in cache_evict"},
        {"two_locks", 4200, "/usr/lib/python3.11/concurrent/futures/thread.py:81 in _worker"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct rw_incident *incident = fixture(cases[i].fixture);

        assert_string_equal(rw_place(incident, thread_of(incident, cases[i].tid)), cases[i].place);
        talloc_free(incident);
    }
}

/* As gcc and rustc write it down; the last frame is the user's. */
static void what_a_toolchain_brings_along_is_called_by_the_users_code(void **state)
{
    static const struct {
        const char *function, *file, *called; /* of the outermost frame that is not the user's */
    } cases[] = {
        {"std::latch::wait() const", "/usr/include/c++/12/latch", "std::latch::wait() const"},
        {"std::sync::poison::mutex::Mutex<T>::lock", "/rustc/5980/library/std/src/sync/poison/mutex.rs",
         "std::sync::poison::mutex::Mutex<T>::lock"},
        {"std::thread::functions::park", "library/std/src/sys/pal/unix/futex.rs",
         "std::thread::functions::park"},
        {"wait", "library/wait.c", NULL},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct rw_frame frames[] = {
            {.function = "syscall", .module = "/lib/x86_64-linux-gnu/libc.so.6", .offset = 1},
            {.function = cases[i].function, .file = cases[i].file, .line = 7, .module = "/srv/a.out"},
            {.function = "job", .file = "src/job.cc", .line = 3, .module = "/srv/a.out"},
        };
        const struct rw_thread thread = {.native = frames, .native_count = 3};
        const char *called = rw_toolchain_call(&thread);
        void *ctx = talloc_new(NULL);

        assert_string_equal(called ? called : "none", cases[i].called ? cases[i].called : "none");
        assert_string_equal(rw_place(ctx, &thread),
                            cases[i].called ? "src/job.cc:3 in job" : "library/wait.c:7 in wait");
        talloc_free(ctx);
    }
}

static void what_a_test_left_is_told_of_all_sorts(void **state)
{
    struct rw_incident *incident = rw_incident_new(NULL);
    struct rw_process_info *process = rw_incident_add_process(incident, 100);
    struct rw_test_account *account = rw_process_add_account(incident, process, "t.py::test_a");
    struct rw_thread *thread = rw_process_thread(incident, process, 101);

    (void)state;
    rw_account_add_child(incident, account, 34, "sleep");
    rw_account_add_descriptor(incident, account, &(struct rw_left_open){7, "pipe:[123]", "write"});
    thread->is_alive = true;
    thread->name = "keeper";
    thread->created_in_test = "t.py::test_a";
    assert_string_equal(rw_left_words(incident, incident, "t.py::test_a"),
                        "thread 'keeper', process 34 (sleep), fd 7 (pipe:[123], to write)");
    assert_null(rw_left_words(incident, incident, "t.py::test_b"));
    process->test = "t.py::test_a"; /* again: what it has is no left-over yet */
    assert_null(rw_left_words(incident, incident, "t.py::test_a"));
    talloc_free(incident);
}

static void names_that_follow_from_others_are_completed(void **state)
{
    struct rw_incident *incident = fixture("two_locks");
    struct rw_thread *main_thread = thread_of(incident, 4100);

    (void)state;
    main_thread->name = main_thread->comm = "python3";
    thread_of(incident, 4107)->creator_tid = 4100;
    thread_of(incident, 4107)->creator_name = NULL;
    rw_incident_complete_names(incident);
    assert_string_equal(main_thread->name, "MainThread");
    assert_string_equal(thread_of(incident, 4107)->creator_name, "MainThread");
    /* A name that somebody gave stays. */
    main_thread->name = "controller";
    rw_incident_complete_names(incident);
    assert_string_equal(main_thread->name, "controller");
    talloc_free(incident);
}

static struct rw_thread *in_functions(struct rw_incident *incident, int tid, const char *innermost_file)
{
    struct rw_process_info *process = rw_incident_find_process(incident, 100);
    struct rw_thread *thread =
        rw_process_thread(incident, process ? process : rw_incident_add_process(incident, 100), tid);
    const struct rw_python_frame called = {.function = "is_set", .file = innermost_file},
                                 own = {.function = "test_flag", .file = "/home/ann/test_x.py"},
                                 runner = {.function = "main", .file = "/usr/lib/python3.11/runner.py"};

    if (innermost_file)
        rw_add_python_frame(incident, thread, &called);
    rw_add_python_frame(incident, thread, &own);
    rw_add_python_frame(incident, thread, &runner);
    return thread;
}

/* Where nothing says what is mapped, as of a program that may not be looked into. */
static void a_place_in_no_file_is_its_address(void **state)
{
    void *ctx = talloc_new(NULL);
    struct rw_frame frame = {.pc = 0x55e11fce4182};
    struct rw_thread thread = {.native = &frame, .native_count = 1};

    (void)state;
    assert_string_equal(rw_place(ctx, &thread), "0x55e11fce4182");
    talloc_free(ctx);
}

static void a_loop_is_one_place_whatever_it_calls_of_a_library(void **state)
{
    (void)state;
    struct rw_incident *incident = rw_incident_new(NULL);

    in_functions(incident, 1, NULL);
    in_functions(incident, 2, "/usr/lib/python3.11/threading.py");
    in_functions(incident, 3, "/home/ann/flags.py");
    struct rw_process_info *process = &incident->processes[0];
    assert_true(rw_has_same_calls(&process->threads[0], &process->threads[1]));
    assert_true(rw_has_same_calls(&process->threads[1], &process->threads[0]));
    assert_false(rw_has_same_calls(&process->threads[0], &process->threads[2]));
    assert_false(rw_has_same_calls(&process->threads[1], &process->threads[2]));
    talloc_free(incident);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_place_in_no_file_is_its_address),
        cmocka_unit_test(a_loop_is_one_place_whatever_it_calls_of_a_library),
        cmocka_unit_test(what_a_toolchain_brings_along_is_called_by_the_users_code),
        cmocka_unit_test(what_a_test_left_is_told_of_all_sorts),
        cmocka_unit_test(names_that_follow_from_others_are_completed),
        cmocka_unit_test(main_thread_comes_first),
        cmocka_unit_test(a_thread_is_found_again_but_one_that_never_ran_is_always_new),
        cmocka_unit_test(threads_are_found_among_thousands),
        cmocka_unit_test(what_is_not_known_says_so),
        cmocka_unit_test(a_note_is_kept_once),
        cmocka_unit_test(a_second_interpreter_of_an_id_is_the_live_one),
        cmocka_unit_test(bytes_that_are_no_characters_are_escaped),
        cmocka_unit_test(durations_read_well),
        cmocka_unit_test(moments_of_these_years_have_words),
        cmocka_unit_test(the_place_is_the_users_own_line),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
