/* SPDX-License-Identifier: MIT */
#include "tests/unit/report/text_of.h"
#include "tools/incident/accounts.h"

#include <errno.h>

/* The texts stand in the report, in this order. */
static void expect_in_order(const char *report, const char *const *texts, size_t count)
{
    const char *from = report;

    for (size_t i = 0; i < count; i++) {
        const char *found = strstr(from, texts[i]);

        if (!found)
            print_error("\"%s\" is not there, or not after the ones before it, in\n%s\n", texts[i], report);
        assert_non_null(found);
        from = found + strlen(texts[i]);
    }
}

static void the_answer_comes_first(void **state)
{
    static const char *const texts[] = {
        "racewatch: cycle in tests/test_bank.py::test_transfer, for 12.3 s (exact)\n",
        "Deadlock: MainThread (tid 4100) waits for lock `lock_b` held by 'worker-1' (tid 4107)",
        "Who waits for whom\n",
        "MainThread (tid 4100) waits for lock `lock_b` for 12.3 s\n",
        "at /home/ann/bank/tests/test_bank.py:21 in transfer\n",
        "held by 'worker-1' (tid 4107), taken at /home/ann/bank/tests/test_bank.py:29 in back\n",
        "'worker-1' (tid 4107) waits for lock `lock_a`",
        "Look at\n",
        "/home/ann/bank/tests/test_bank.py:21 in transfer\n",
        "How sure this is: exact\n",
        "Threads of process 4100 (python3): 14\n",
        "\nMainThread (tid 4100)",
        "\n'worker-1' (tid 4107)",
        "\n12 threads like this for 3 min 20 s to 3 min 31 s",
        "'pool_11' (tid 4211)",
        "Interpreters of process 4100 (Python 3.11.2)\n",
        "What happened last",
        "-12.450000 s  MainThread           begins test tests/test_bank.py::test_transfer\n",
        "-12.400000 s  MainThread           creates thread 4107 'worker-1'",
        "About this report",
        "racewatch 0.1.0, incident schema 1\n",
    };
    struct rw_incident *incident = diagnosed("two_locks");
    char *report = text_of(incident);

    (void)state;
    assert_int_equal(strncmp(report, "racewatch: cycle", 16), 0);
    expect_in_order(report, texts, sizeof texts / sizeof *texts);
    free(report);
    talloc_free(incident);
}

static void python_frames_stand_where_their_loop_ran(void **state)
{
    static const char *const texts[] = {
        "\nMainThread (tid 5100)",
        "[destroyer]",
        "PyThread_acquire_lock_timed",
        "_shutdown ",
        "[interpreter 1]",
        "wait_for_thread_shutdown",
        "Py_EndInterpreter",
        "test_destroy ",
        "test_backend.py:44\n",
        "\n'parked' (tid 5177)",
        "[blocker]",
        "\n'trio-worker-0' (tid 5150)",
    };
    struct rw_incident *incident = diagnosed("interpreter_destroy");
    char *report = text_of(incident), *threads = strstr(report, "\nThreads of process");

    (void)state;
    assert_non_null(threads);
    expect_in_order(threads, texts, sizeof texts / sizeof *texts);
    assert_null(strstr(report, "_PyEval_EvalFrameDefault"));
    assert_null(strstr(report, "libracewatch"));
    free(report);
    talloc_free(incident);
}

static void frames_that_could_not_be_merged_are_all_there(void **state)
{
    struct rw_incident *incident = diagnosed("two_locks");
    struct rw_thread *thread = thread_of(incident, 4100);
    char *report;

    (void)state;
    for (size_t i = 0; i < thread->python_count; i++)
        thread->python[i].native_index = i == 0 ? 999999 : -1;
    report = text_of(incident);
    assert_non_null(strstr(report, "and natively:"));
    assert_non_null(strstr(report, "_PyEval_EvalFrameDefault"));
    free(report);
    talloc_free(incident);
}

/* Three tasks wait at one place, one blocks the loop, one is not begun; equal ones are told once. */
static void tasks_are_told_with_what_awaits_what(void **state)
{
    static const char *const texts[] = {
        "Tasks of process 4100\n",
        "  load: running, in MainThread (tid 4100)\n",
        "  fetch-0, fetch-1, fetch-2: waiting for asyncio.Future, of the loop in MainThread (tid 4100)\n",
        "      in read at /app/net.py:10 (coroutine)\n",
        "      awaited by fetch at /app/net.py:20 (async generator)\n",
        "  late: new\n",
    };
    static const char *const names[] = {"fetch-0", "fetch-1", "fetch-2", "load", "late"};
    static const char *const states[] = {"waiting", "waiting", "waiting", "running", "new"};
    struct rw_incident *incident = diagnosed("two_locks");
    struct rw_python_frame *frames = talloc_zero_array(incident, struct rw_python_frame, 2);

    (void)state;
    frames[0] =
        (struct rw_python_frame){.function = "read", .file = "/app/net.py", .line = 10, .kind = "coroutine"};
    frames[1] = (struct rw_python_frame){
        .function = "fetch", .file = "/app/net.py", .line = 20, .kind = "async generator"};
    for (size_t i = 0; i < 5; i++) {
        struct rw_task *task = rw_process_add_task(incident, &incident->processes[0]);

        task->library = "asyncio";
        task->name = names[i];
        task->state = states[i];
        task->tid = i < 4 ? 4100 : 0;
        task->waits_on = i < 3 ? "asyncio.Future" : NULL;
        task->frames = i < 3 ? frames : NULL;
        task->frame_count = i < 3 ? 2 : 0;
    }
    char *report = text_of(incident);

    expect_in_order(report, texts, sizeof texts / sizeof *texts);
    free(report);
    talloc_free(incident);
}

static void what_could_not_be_had_is_said(void **state)
{
    struct rw_incident *incident = diagnosed("two_locks");
    struct rw_thread *thread;
    char *report;

    (void)state;
    thread = thread_of(incident, 4107);
    thread->native_count = thread->python_count = 0;
    thread->stack_note = "tracing was refused: Operation not permitted";
    rw_process_note(incident, &incident->processes[0], "Py_EndInterpreter could not be hooked");
    report = text_of(incident);
    assert_non_null(strstr(report, "note: tracing was refused: Operation not permitted"));
    assert_non_null(strstr(report, "[no stack could be had]"));
    assert_non_null(strstr(report, "What could not be had"));
    assert_non_null(strstr(report, "Py_EndInterpreter could not be hooked"));
    free(report);
    talloc_free(incident);
}

static void no_name_can_talk_to_a_terminal_or_break_a_line(void **state)
{
    struct rw_incident *incident = fixture("two_locks");
    char *report;

    (void)state;
    thread_of(incident, 4107)->name = "evil\x1b[2J\nracewatch: idle\xff";
    incident->processes[0].test = "t.py::\x9b";
    rw_diagnose(incident);
    report = text_of(incident);
    assert_null(strchr(report, '\x1b'));
    assert_null(strstr(report, "\nracewatch: idle"));
    assert_null(strchr(report, '\xff'));
    assert_null(strchr(report, '\x9b'));
    assert_non_null(strstr(report, "evil\\x1b[2J\\nracewatch: idle\\xff"));
    free(report);
    talloc_free(incident);
}

static void lines_of_words_keep_to_the_width(void **state)
{
    (void)state;
    for (size_t i = 0; i < FIXTURE_COUNT; i++) {
        struct rw_incident *incident = diagnosed(fixture_names[i]);
        char *report = text_of(incident), *rest = NULL;

        for (char *line = strtok_r(report, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest))
            if (line[0] != ' ' && strlen(line) > 100)
                fail_msg("%s", line);
        free(report);
        talloc_free(incident);
    }
}

static size_t count(const char *text, const char *part)
{
    size_t found = 0;

    for (text = strstr(text, part); text; text = strstr(text + 1, part))
        found++;
    return found;
}

static void markdown_is_never_too_long_and_always_whole(void **state)
{
    struct rw_incident *incident = diagnosed("two_locks");
    size_t whole = 0;

    (void)state;
    for (size_t max = 0; max < 8000; max += 7) {
        char *text = NULL;
        size_t length;
        FILE *file = open_memstream(&text, &length);
        int result = rw_report_markdown(incident, file, max);

        fclose(file);
        assert_true(length <= max);
        if (result == -ENOSPC) {
            assert_int_equal(length, 0);
        } else {
            assert_int_equal(result, 0);
            assert_int_equal(strncmp(text, "### racewatch: cycle", 20), 0);
            assert_int_equal(count(text, "<details>"), count(text, "</details>"));
            assert_int_equal(count(text, "````") % 2, 0);
            if (strstr(text, "Cut here"))
                assert_int_equal(whole, 0);
            else
                whole++;
        }
        free(text);
    }
    assert_true(whole > 0);
    talloc_free(incident);
}

static void markdown_takes_names_for_text(void **state)
{
    struct rw_incident *incident = fixture("two_locks");
    char *text = NULL;
    size_t length;
    FILE *file = open_memstream(&text, &length);

    (void)state;
    thread_of(incident, 4107)->name = "<script>`*x*````";
    rw_diagnose(incident);
    assert_int_equal(rw_report_markdown(incident, file, 65536), 0);
    fclose(file);
    assert_non_null(strstr(text, "&lt;script&gt;\\`\\*x\\*"));
    assert_int_equal(count(text, "````text"), count(text, "\n````\n"));
    free(text);
    talloc_free(incident);
}

static void a_full_disk_is_an_error(void **state)
{
    struct rw_incident *incident = diagnosed("two_locks");
    FILE *file = fopen("/dev/full", "w");

    (void)state;
    assert_int_equal(rw_report_text(incident, file), -ENOSPC);
    fclose(file);
    file = fopen("/dev/full", "w");
    assert_int_equal(rw_report_markdown(incident, file, 65536), -ENOSPC);
    fclose(file);
    file = fopen("/dev/full", "w");
    assert_int_equal(rw_incident_write(incident, file), -ENOSPC);
    fclose(file);
    talloc_free(incident);
}

static void an_empty_incident_has_a_report(void **state)
{
    struct rw_incident *incident = rw_incident_new(NULL);
    char *report;

    (void)state;
    report = text_of(incident);
    assert_non_null(strstr(report, "There is no verdict."));
    free(report);
    talloc_free(incident);
}

static void the_stuck_process_comes_first_and_bystanders_get_a_line(void **state)
{
    static const char *const texts[] = {
        "Process 4100: ",
        "Threads of process 4100",
        "Other processes of the run",
        "\n  90 timeout: the main thread waits for a signal",
        "About this report",
        "\n  command: python3 -m pytest",
        "\n  command of the run: timeout\n",
    };
    struct rw_incident *incident = fixture("two_locks");
    struct rw_process_info parent, stuck;
    struct rw_thread *thread;
    char *report;

    (void)state;
    rw_incident_add_process(incident, 90);
    stuck = incident->processes[0];
    stuck.command = "python3 -m pytest";
    parent = incident->processes[1];
    parent.name = "timeout";
    parent.is_alive = true;
    incident->processes[0] = parent;
    incident->processes[1] = stuck;
    incident->command = "timeout";
    thread = rw_process_thread(incident, &incident->processes[0], 90);
    thread->is_alive = true;
    rw_thread_wait_on(incident, thread)->kind = "signal";
    rw_diagnose(incident);
    report = text_of(incident);
    expect_in_order(report, texts, sizeof texts / sizeof *texts);
    assert_null(strstr(report, "Threads of process 90"));
    free(report);
    talloc_free(incident);
}

static void what_python_is_made_of_is_left_out(void **state)
{
    struct rw_incident *incident = fixture("two_locks");
    struct rw_thread *thread = thread_of(incident, 4107);
    char *report;

    (void)state;
    thread->created_at = "PyThread_start_new_thread (python3.11+0x63baea)";
    thread->start_routine = "pythread_wrapper (libpython3.11.so.1.0+0x2a8f40)";
    rw_diagnose(incident);
    report = text_of(incident);
    assert_null(strstr(report, "PyThread_start_new_thread (python3.11"));
    assert_null(strstr(report, "pythread_wrapper"));
    free(report);
    talloc_free(incident);
}

static void what_tests_left_is_a_part_of_its_own(void **state)
{
    static const char *const texts[] = {
        "\nWhat tests left behind\n----------------------\n",
        "  t.py::test_a (gw1): thread 'keeper' (tid 12), interpreter 2, process 34 (sleep), fd 7\n",
        "      (pipe:[123], to write), and 3 more; threads 1 to 2, descriptors 9 to 13\n",
        "About this report",
    };
    struct rw_incident *incident = fixture("self_deadlock");
    struct rw_process_info *process = &incident->processes[0];
    struct rw_test_account *account;

    (void)state;
    process->worker = "gw1";
    account = rw_process_add_account(incident, process, "t.py::test_a");
    account->number = 4;
    account->threads_begin = 1;
    account->threads_end = 2;
    account->descriptors_begin = 9;
    account->descriptors_end = 13;
    account->not_told = 3;
    rw_account_add_thread(incident, account, 12, "keeper");
    rw_account_add_interpreter(incident, account, 2);
    rw_account_add_child(incident, account, 34, "sleep");
    rw_account_add_child(incident, account, 34, "sleep");
    rw_account_add_descriptor(incident, account, &(struct rw_left_open){7, "pipe:[123]", "write"});

    char *report = text_of(incident);

    expect_in_order(report, texts, sizeof texts / sizeof *texts);
    free(report);
    talloc_free(incident);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_answer_comes_first),
        cmocka_unit_test(python_frames_stand_where_their_loop_ran),
        cmocka_unit_test(frames_that_could_not_be_merged_are_all_there),
        cmocka_unit_test(tasks_are_told_with_what_awaits_what),
        cmocka_unit_test(what_could_not_be_had_is_said),
        cmocka_unit_test(no_name_can_talk_to_a_terminal_or_break_a_line),
        cmocka_unit_test(lines_of_words_keep_to_the_width),
        cmocka_unit_test(markdown_is_never_too_long_and_always_whole),
        cmocka_unit_test(markdown_takes_names_for_text),
        cmocka_unit_test(the_stuck_process_comes_first_and_bystanders_get_a_line),
        cmocka_unit_test(what_python_is_made_of_is_left_out),
        cmocka_unit_test(a_full_disk_is_an_error),
        cmocka_unit_test(an_empty_incident_has_a_report),
        cmocka_unit_test(what_tests_left_is_a_part_of_its_own),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
