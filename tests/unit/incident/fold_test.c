/* SPDX-License-Identifier: MIT */
#include "tests/unit/incident/fixtures.h"
#include "tools/incident/fold.h"

#define WORKERS 1000
#define SHARERS 40
#define ODD 3 /* a worker that is at another line */

static const char *const functions[] = {"wait", "work", "start"};

static void add_python(struct rw_incident *incident, struct rw_thread *thread, struct rw_python_frame frame)
{
    thread->python =
        talloc_realloc(incident, thread->python, struct rw_python_frame, (unsigned)thread->python_count + 1);
    thread->python[thread->python_count++] = frame;
}

/* A process whose main thread differs from its workers, and processes that share a piece of memory. */
static struct rw_incident *crowd(size_t workers)
{
    struct rw_incident *incident = rw_incident_new(NULL);
    struct rw_process_info *process = rw_incident_add_process(incident, 100);
    struct rw_channel found = {0};

    rw_add_frame(incident, rw_process_thread(incident, process, 100),
                 &(struct rw_frame){.function = "main", .pc = 1});
    for (size_t i = 0; i < workers; i++) {
        struct rw_thread *thread = rw_process_thread(incident, process, 10000 + (int)i);

        for (size_t j = 0; j < 3; j++)
            rw_add_frame(
                incident, thread,
                &(struct rw_frame){.function = functions[j], .module = "/x/program", .pc = 10 + j, .cfa = i});
        add_python(incident, thread,
                   (struct rw_python_frame){.function = "work", .line = 5 + (i == ODD), .address = i});
        add_python(incident, thread,
                   (struct rw_python_frame){.function = "run", .line = 9, .address = i + 1});
    }
    for (int i = 0; i < SHARERS; i++)
        rw_channel_add_holder(incident, &found, 200 + i, -1, "sharer");
    for (int i = 0; i < SHARERS; i++) {
        struct rw_process_info *sharer = rw_incident_add_process(incident, 200 + i);
        struct rw_wait_on *wait = rw_thread_wait_on(incident, rw_process_thread(incident, sharer, 200 + i));
        struct rw_channel *channel = rw_wait_add_channel(incident, wait, "memory", "post");

        channel->inode = 7;
        channel->is_complete = 1;
        channel->holders = found.holders;
        channel->holder_count = found.holder_count;
    }
    return incident;
}

static struct rw_incident *through_json(struct rw_incident *incident, size_t *bytes)
{
    json_t *json = rw_incident_to_json(incident);
    char *text = json_dumps(json, JSON_COMPACT), *why = NULL;
    struct rw_incident *again = rw_incident_from_json(NULL, json, &why);

    assert_non_null(again);
    *bytes = strlen(text);
    free(text);
    json_decref(json);
    return again;
}

static void what_is_common_is_written_once_and_read_everywhere(void **state)
{
    struct rw_incident *incident = crowd(WORKERS), *again;
    size_t plain, folded;

    (void)state;
    talloc_free(through_json(incident, &plain));
    rw_incident_fold(incident);
    again = through_json(incident, &folded);
    assert_true(folded < plain / 2);
    assert_string_equal(again->processes[0].threads[0].native[0].function, "main");
    for (size_t i = 1; i <= WORKERS; i++) {
        const struct rw_thread *thread = &again->processes[0].threads[i];

        assert_int_equal(thread->native_as, i == 1 ? 0 : 10000);
        assert_int_equal(thread->native_count, 3);
        for (size_t j = 0; j < 3; j++)
            assert_string_equal(thread->native[j].function, functions[j]);
        assert_int_equal(thread->python_as, i == 1 || i == ODD + 1 ? 0 : 10000);
        assert_int_equal(thread->python_count, 2);
        assert_string_equal(thread->python[0].function, "work");
        assert_int_equal(thread->python[0].line, i == ODD + 1 ? 6 : 5);
        assert_int_equal(thread->python[1].line, 9);
    }
    for (int i = 0; i < SHARERS; i++) {
        const struct rw_channel *channel = again->processes[1 + i].threads[0].waits_on->channels;

        assert_int_equal(channel->holders_as, i == 0 ? 0 : 200);
        assert_int_equal(channel->holder_count, SHARERS);
        assert_int_equal(channel->holders[SHARERS - 1].pid, 200 + SHARERS - 1);
        assert_int_equal(channel->is_complete, 1);
    }
    talloc_free(again);
    talloc_free(incident);
}

static void few_threads_are_written_in_full(void **state)
{
    struct rw_incident *incident = crowd(RW_FOLD_THREADS - 1);

    (void)state;
    rw_incident_fold(incident);
    for (size_t i = 0; i < incident->processes[0].thread_count; i++)
        assert_int_equal(
            incident->processes[0].threads[i].native_as + incident->processes[0].threads[i].python_as, 0);
    talloc_free(incident);
}

/* A file that somebody has cut or made up. */
static void what_leads_nowhere_stays_empty(void **state)
{
    struct rw_incident *incident = crowd(WORKERS), *again;
    struct rw_channel *channel = incident->processes[5].threads[0].waits_on->channels;
    size_t bytes;

    (void)state;
    incident->processes[0].threads[1].native_as = 4;
    incident->processes[0].threads[1].python_as = 4;
    incident->processes[0].threads[2].native_as = 10002; /* itself */
    incident->processes[0].threads[2].python_as = 10002;
    incident->processes[0].threads[3].native_as = 10001; /* which leads on */
    incident->processes[0].threads[3].python_as = 10001;
    channel->holders_as = 100; /* waits for nothing */
    again = through_json(incident, &bytes);
    for (size_t i = 1; i <= 3; i++)
        assert_int_equal(
            again->processes[0].threads[i].native_count + again->processes[0].threads[i].python_count, 0);
    channel = again->processes[5].threads[0].waits_on->channels;
    assert_int_equal(channel->holder_count, 0);
    assert_int_equal(channel->is_complete, 0);
    talloc_free(again);
    talloc_free(incident);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_common_is_written_once_and_read_everywhere),
        cmocka_unit_test(few_threads_are_written_in_full),
        cmocka_unit_test(what_leads_nowhere_stays_empty),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
