/* SPDX-License-Identifier: MIT */
/* An event loop whose thread waits for input, as it does in every pause: what its tasks tell. */
#include "tests/unit/diagnosis/cases.h"

/* A loop in thread 100 that waits for its own pipe, and `count` tasks that wait: Task-0 at address 0x10 and
 * so on. */
static struct rw_incident *loop(int count)
{
    struct rw_incident *incident = bare(1);
    struct rw_process_info *process = &incident->processes[0];
    struct rw_wait_on *wait = waits(incident, 100, "poll", -1);
    struct rw_channel *channel = rw_wait_add_channel(incident, wait, "pipe", "data");

    process->has_handlers = 0;
    wait->fd = channel->fd = 3;
    wait->call = "epoll_wait";
    channel->is_complete = 1;
    rw_channel_add_holder(incident, channel, 100, 4, "python3");
    thread_of(incident, 100)->is_main = true;
    thread_of(incident, 100)->moved = 0;
    for (int i = 0; i < count; i++)
        *rw_process_add_task(incident, process) = (struct rw_task){
            .library = "asyncio",
            .name = talloc_asprintf(incident, "Task-%d", i),
            .address = 0x10u * (unsigned)(i + 1),
            .tid = 100,
            .state = "waiting",
        };
    return incident;
}

/* Task-i waits for a lock that the task at `held_by[i]` has. */
static struct rw_task *with_locks(struct rw_incident *incident, const uint64_t *held_by)
{
    struct rw_process_info *process = &incident->processes[0];

    for (size_t i = 0; i < process->task_count; i++) {
        process->tasks[i].waits_on = "lock `a`";
        process->tasks[i].object = 0x900 + i;
        process->tasks[i].held_by = held_by[i];
    }
    return process->tasks;
}

static void tasks_that_wait_for_each_others_locks_are_a_cycle(void **state)
{
    static const uint64_t held_by[] = {0x20, 0x30, 0x20};
    struct rw_incident *incident = loop(3);
    struct rw_task *tasks = with_locks(incident, held_by);

    (void)state;
    rw_diagnose(incident);
    expect(incident, "cycle", RW_INFERRED);
    assert_non_null(culprit(incident, 100));
    /* Task-0 is outside of the ring; and the two locks have one name. */
    expect_in_sentence(incident,
                       ": 'Task-1' waits for lock `a` (0x901) held by 'Task-2', and 'Task-2' waits for");
    assert_null(strstr(incident->verdict.sentence, "Task-0"));

    tasks[2].state = "ready"; /* it was given the lock */
    rw_diagnose(incident);
    assert_string_not_equal(incident->verdict.class_name, "cycle");
    talloc_free(incident);
}

static void a_task_that_waits_for_its_own_lock_is_told(void **state)
{
    static const uint64_t held_by[] = {0x10};
    struct rw_incident *incident = loop(1);

    (void)state;
    with_locks(incident, held_by);
    rw_diagnose(incident);
    expect(incident, "self-deadlock", RW_INFERRED);
    expect_in_sentence(incident, "held by itself");
    talloc_free(incident);
}

static void the_end_of_a_task_is_a_link_too(void **state)
{
    static const uint64_t held_by[] = {0x20, 0};
    struct rw_incident *incident = loop(2);

    (void)state;
    with_locks(incident, held_by)[1].waits_for = 0x10;
    rw_diagnose(incident);
    expect(incident, "cycle", RW_INFERRED);
    expect_in_sentence(incident, "'Task-1' waits for the end of 'Task-0'");
    talloc_free(incident);
}

static void without_an_owner_nobody_is_in_a_ring(void **state)
{
    static const uint64_t held_by[] = {0x20, 0x70}; /* a task that has ended */
    struct rw_incident *incident = loop(2);

    (void)state;
    with_locks(incident, held_by);
    rw_diagnose(incident);
    expect(incident, "no-signaller", RW_INFERRED);
    expect_in_sentence(incident, "has 2 tasks, waiting: 'Task-0' for lock `a`");
    expect_in_sentence(incident, "no other thread is left in the process");
    talloc_free(incident);
}

static void a_loop_with_a_dead_peer_is_told_by_its_pipe(void **state)
{
    struct rw_incident *incident = loop(1);
    struct rw_channel *channel =
        rw_wait_add_channel(incident, thread_of(incident, 100)->waits_on, "tcp", "data");

    (void)state;
    channel->is_complete = 1;
    rw_diagnose(incident);
    expect(incident, "pipe", RW_EXACT);
    talloc_free(incident);
}

static void a_thread_that_may_wake_the_loop_is_no_hang(void **state)
{
    struct rw_incident *incident = loop(1);
    struct rw_thread *other = rw_process_thread(incident, &incident->processes[0], 101);

    (void)state;
    other->is_alive = true;
    other->os_state = 'S';
    waits(incident, 101, "sleep", -1);
    rw_diagnose(incident);
    assert_string_not_equal(incident->verdict.class_name, "no-signaller");
    assert_string_not_equal(incident->verdict.class_name, "pipe");
    talloc_free(incident);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(tasks_that_wait_for_each_others_locks_are_a_cycle),
        cmocka_unit_test(a_task_that_waits_for_its_own_lock_is_told),
        cmocka_unit_test(the_end_of_a_task_is_a_link_too),
        cmocka_unit_test(without_an_owner_nobody_is_in_a_ring),
        cmocka_unit_test(a_loop_with_a_dead_peer_is_told_by_its_pipe),
        cmocka_unit_test(a_thread_that_may_wake_the_loop_is_no_hang),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
