/* SPDX-License-Identifier: MIT */
/* Orders of locks, and which of them contradict each other. tests/lock_order has the programs. */
#include "tests/unit/diagnosis/cases.h"

#include <talloc.h>

#include "tools/incident/model.h"

#define S UINT64_C(1000000000)

static struct rw_incident *ended(void)
{
    struct rw_incident *incident = bare(1);

    incident->trigger = "lock-order";
    incident->processes[0].is_alive = false;
    return incident;
}

static struct rw_lock_edge_info *edge(struct rw_incident *incident, int tid, uint64_t from, uint64_t to)
{
    struct rw_lock_edge_info *made = rw_process_add_lock_edge(incident, &incident->processes[0]);

    made->tid = tid;
    made->from = from;
    made->to = to;
    made->time_ns = 10 * S;
    made->number = (unsigned)incident->processes[0].lock_edge_count + 6; /* others were left out */
    for (unsigned i = 7; i < made->number; i++)
        rw_lock_edge_add_meeting(incident, made, i);
    made->to_place.where = "/home/me/a.c:3 in f";
    return made;
}

static struct rw_lock_edge_info *nth(struct rw_incident *incident, size_t index)
{
    return &incident->processes[0].lock_edges[index];
}

static void tells(struct rw_incident *incident, bool is_told)
{
    rw_diagnose(incident);
    assert_int_equal(strcmp(incident->verdict.class_name, "lock-order") == 0, is_told);
    if (is_told)
        assert_int_equal(incident->verdict.certainty, RW_INFERRED);
    talloc_free(incident);
}

static struct rw_incident *opposite(void)
{
    struct rw_incident *incident = ended();

    edge(incident, 101, 1, 2);
    edge(incident, 102, 2, 1);
    return incident;
}

static void opposite_orders_are_told_once(void **state)
{
    struct rw_incident *incident = opposite();

    (void)state;
    edge(incident, 103, 2, 1);
    nth(incident, 0)->to_name = "ledger";
    rw_diagnose(incident);
    expect(incident, "lock-order", RW_INFERRED);
    expect_in_sentence(incident, "`ledger` at /home/me/a.c:3 in f while it held 0x1");
    assert_int_equal(incident->also_count, 0);
    tells(incident, true);
}

static void a_ring_needs_different_threads(void **state)
{
    struct rw_incident *incident = ended();

    (void)state;
    edge(incident, 101, 1, 2);
    edge(incident, 101, 2, 1);
    tells(incident, false);
    incident = ended();
    edge(incident, 101, 1, 2);
    edge(incident, 102, 2, 3);
    edge(incident, 101, 3, 1);
    tells(incident, false);
    incident = ended();
    edge(incident, 101, 1, 2);
    edge(incident, 102, 2, 3);
    edge(incident, 103, 3, 1);
    tells(incident, true);
}

static void a_gate_keeps_them_apart(void **state)
{
    struct rw_incident *incident = opposite();

    (void)state;
    rw_lock_edge_add_gate(incident, nth(incident, 0), 9);
    rw_lock_edge_add_gate(incident, nth(incident, 1), 8);
    rw_lock_edge_add_gate(incident, nth(incident, 1), 9);
    tells(incident, false);
    incident = opposite();
    rw_lock_edge_add_gate(incident, nth(incident, 0), 9);
    rw_lock_edge_add_gate(incident, nth(incident, 1), 8);
    tells(incident, true);
}

static void what_never_met_is_no_ring(void **state)
{
    struct rw_incident *incident = opposite();

    (void)state;
    nth(incident, 1)->meeting_count = 0;
    tells(incident, false);
    incident = opposite();
    nth(incident, 1)->meeting_count = 0;
    rw_lock_edge_add_meeting(incident, nth(incident, 0), nth(incident, 1)->number); /* told by the other */
    tells(incident, true);
    incident = ended();
    edge(incident, 101, 1, 2);
    edge(incident, 102, 2, 3);
    edge(incident, 103, 3, 1)->meeting_count = 1; /* two of the three */
    tells(incident, false);
}

static void readers_do_not_block_each_other(void **state)
{
    struct rw_incident *incident = opposite();

    (void)state;
    for (size_t i = 0; i < 2; i++)
        nth(incident, i)->is_from_shared = nth(incident, i)->is_to_shared = true;
    tells(incident, false);
    incident = opposite();
    nth(incident, 0)->is_from_shared = nth(incident, 0)->is_to_shared = true;
    tells(incident, true);
}

static void another_lock_at_the_address_is_another_lock(void **state)
{
    struct rw_incident *incident = opposite();

    (void)state;
    nth(incident, 1)->to_generation = 1;
    tells(incident, false);
}

static void the_gil_is_told_by_its_name(void **state)
{
    struct rw_incident *incident = opposite();

    (void)state;
    nth(incident, 0)->to_kind = nth(incident, 1)->from_kind = "gil";
    nth(incident, 0)->from_name = nth(incident, 1)->to_name = "ledger";
    rw_diagnose(incident);
    expect_in_sentence(incident, "took the GIL at /home/me/a.c:3 in f while it held `ledger`");
    tells(incident, true);
    incident = opposite();
    nth(incident, 0)->to_kind = nth(incident, 1)->from_kind = "gil";
    edge(incident, 103, 3, 4)->from_kind = "gil"; /* another interpreter's */
    rw_diagnose(incident);
    expect_in_sentence(incident, "took the GIL at 0x2");
    tells(incident, true);
}

/* Of Python's frames the innermost that is the program's own; the interpreter's are told where there is no
 * other. */
static void the_place_is_the_programs_own(void **state)
{
    struct rw_incident *incident = opposite();

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct rw_lock_place *place = &nth(incident, i)->to_place;

        rw_lock_place_add_python(incident, place)->file = "/usr/lib/python3.11/threading.py";
        rw_lock_place_add_python(incident, place)->file = "/home/me/mine.py";
        place->python[0].function = "__enter__";
        place->python[1].function = "work";
        place->python[1].line = 8 + (int)i;
    }
    rw_diagnose(incident);
    expect_in_sentence(incident, "at /home/me/mine.py:8 in work");
    assert_string_equal(incident->verdict.look_at, "/home/me/mine.py:8 in work");
    assert_string_equal(incident->verdict.look_at_also, "/home/me/mine.py:9 in work");
    tells(incident, true);
}

/* A recording is anybody's to write: the search ends. */
static void a_dense_graph_is_searched_for_a_bounded_time(void **state)
{
    struct rw_incident *incident = ended();

    (void)state;
    for (int i = 0; i < 256; i++) {
        edge(incident, 101 + i, (uint64_t)(1 + i % 16), (uint64_t)(1 + i / 16));
        rw_lock_edge_add_gate(incident, nth(incident, (size_t)i), 99);
    }
    tells(incident, false);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(opposite_orders_are_told_once),
        cmocka_unit_test(a_ring_needs_different_threads),
        cmocka_unit_test(a_gate_keeps_them_apart),
        cmocka_unit_test(what_never_met_is_no_ring),
        cmocka_unit_test(readers_do_not_block_each_other),
        cmocka_unit_test(another_lock_at_the_address_is_another_lock),
        cmocka_unit_test(the_gil_is_told_by_its_name),
        cmocka_unit_test(the_place_is_the_programs_own),
        cmocka_unit_test(a_dense_graph_is_searched_for_a_bounded_time),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
