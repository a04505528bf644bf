/* SPDX-License-Identifier: MIT */
#include "tools/monitor/held.h"

#include <talloc.h>

/* A runner's clock starts a little before the test's first phase does. */
#define TOLERANCE_NS UINT64_C(150000000)

struct item {
    struct item *next;
    struct rw_incident *incident;
    int pid;
    uint64_t test_number;
    uint64_t due_ns;
};

struct rw_held {
    struct rw_publisher *publisher;
    struct item *items;
};

struct rw_held *rw_held_new(void *parent, struct rw_publisher *publisher)
{
    struct rw_held *held = talloc_zero(parent, struct rw_held);
    held->publisher = publisher;
    return held;
}

void rw_held_add(struct rw_held *held, struct rw_incident *incident, const struct rw_want *want)
{
    const struct rw_watched *watched = rw_watch_find(held->publisher->watch, want->pid);
    if (watched == NULL)
        return;
    struct item *item = talloc_zero(held, struct item);
    item->incident = talloc_steal(item, incident);
    item->pid = want->pid;
    item->test_number = want->test_number;
    item->due_ns = watched->test.begin_ns + (uint64_t)(watched->rules.runner_timeout_s * 1e9) - TOLERANCE_NS;
    item->next = held->items;
    held->items = item;
}

uint64_t rw_held_due_ns(const struct rw_held *held)
{
    uint64_t due_ns = UINT64_MAX;
    for (const struct item *item = held->items; item != NULL; item = item->next)
        due_ns = item->due_ns < due_ns ? item->due_ns : due_ns;
    return due_ns;
}

static void tell(struct rw_held *held, struct item *item, uint64_t now_ns)
{
    if (rw_publisher_is_news(held->publisher, item->incident))
        rw_publish(held->publisher, item->incident, true, now_ns);
}

void rw_held_step(struct rw_held *held, uint64_t now_ns)
{
    for (struct item **at = &held->items; *at != NULL;) {
        struct item *item = *at;
        const struct rw_watched *watched = rw_watch_find(held->publisher->watch, item->pid);
        bool runs_on = watched != NULL && watched->test.number == item->test_number;
        if (runs_on && now_ns < item->due_ns) {
            at = &item->next;
            continue;
        }
        *at = item->next;
        if (now_ns >= item->due_ns)
            tell(held, item, now_ns);
        talloc_free(item);
    }
}

void rw_held_gone(struct rw_held *held, const struct rw_watched *watched, uint64_t now_ns)
{
    for (struct item **at = &held->items; *at != NULL;) {
        struct item *item = *at;
        if (item->pid != watched->pid || watched->was_replaced) {
            at = &item->next;
            continue;
        }
        *at = item->next;
        if (watched->test.number == item->test_number)
            tell(held, item, now_ns);
        talloc_free(item);
    }
}
