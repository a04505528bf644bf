/* SPDX-License-Identifier: MIT */
#include "tools/cpython/task_waits.h"

#include <stdlib.h>

#include <talloc.h>

#include "tools/cpython/code.h"
#include "tools/cpython/names.h"
#include "tools/cpython/object.h"
#include "tools/cpython/slots.h"
#include "tools/cpython/with_blocks.h"

/* Functions of asyncio's by file, name and the class of their `self`. What is made of a condition comes
 * behind it, and is what the program waits for. */
static const struct {
    const char *file, *function, *class_name;
    const char *words;
    bool is_lock;
} places[] = {
    {"locks.py", "acquire", "Lock", "lock", true},
    {"locks.py", "acquire", "Semaphore", "semaphore", false},
    {"locks.py", "wait", "Event", "event", false},
    {"locks.py", "wait", "Condition", "condition", false},
    {"locks.py", "wait", "Barrier", "barrier", false},
    {"queues.py", "get", "Queue", "queue", false},
    {"queues.py", "put", "Queue", "room in queue", false},
    {"queues.py", "join", "Queue", "task_done() of queue", false},
};

#define PLACES (sizeof places / sizeof places[0])

static size_t place_of(struct rw_python *py, const struct rw_py_frame *frame, uint64_t *self)
{
    const struct rw_py_code *code = frame->code;
    for (size_t i = 0; code->function && i < PLACES; i++) {
        if (strcmp(code->function, places[i].function) || strcmp(rw_py_code_base(code), places[i].file))
            continue;
        *self = rw_py_local(py, frame, "self");
        if (rw_py_is_kind_of(py, *self, places[i].class_name))
            return i;
    }
    return PLACES;
}

bool rw_py_task_wait(struct rw_python *py, const struct rw_py_chain *chain, struct rw_py_task_wait *wait)
{
    size_t found = PLACES, i = chain->count;
    uint64_t self;
    for (; i > 0 && rw_py_is_asyncio(chain->frames[i - 1].code); i--) {
        const struct rw_py_frame *frame = &chain->frames[i - 1];
        size_t place = frame->is_torn ? PLACES : place_of(py, frame, &self);
        /* A condition that asks for its lock again waits for a lock; an event of the library's own is what
         * waits for it. */
        if (place == PLACES || (found != PLACES && places[found].is_lock))
            continue;
        found = place;
        wait->object = self;
    }
    if (found == PLACES)
        return false;
    const char *name = i > 0 ? rw_py_name(py, &chain->frames[i - 1], wait->object) : NULL;
    wait->is_lock = places[found].is_lock;
    wait->words = name ? talloc_asprintf(py->incident, "%s `%s`", places[found].words, name)
                       : talloc_asprintf(py->incident, "an asyncio %s", places[found].words);
    return true;
}

void rw_py_add_task_withs(struct rw_python *py, const struct rw_py_chain *chain, uint64_t task)
{
    for (size_t i = chain->count; i-- > 0;)
        rw_py_add_withs(py, &chain->frames[i], (struct rw_py_with){.task = task});
}

/* By the lock, then as they were found: so a task's innermost block on it comes before its others. */
static int compare_blocks(const void *left, const void *right)
{
    const struct rw_py_with *a = *(const struct rw_py_with *const *)left,
                            *b = *(const struct rw_py_with *const *)right;
    return a->lock != b->lock ? (a->lock > b->lock) - (a->lock < b->lock) : (a > b) - (a < b);
}

struct rw_py_task_owners rw_py_task_owners(struct rw_python *py)
{
    struct rw_py_task_owners owners = {0};
    const struct rw_py_with **blocks =
        talloc_array(py->scratch, const struct rw_py_with *, py->with_count + 1);
    size_t count = 0;
    owners.items = talloc_array(py->scratch, struct rw_py_task_owner, py->with_count + 1);
    if (!blocks || !owners.items)
        abort();
    for (size_t i = 0; i < py->with_count; i++)
        if (py->withs[i].task)
            blocks[count++] = &py->withs[i];
    qsort(blocks, count, sizeof *blocks, compare_blocks);
    for (size_t i = 0; i < count; i++) {
        struct rw_py_task_owner *last = owners.count ? &owners.items[owners.count - 1] : NULL;
        bool is_inner =
            i > 0 && blocks[i - 1]->lock == blocks[i]->lock && blocks[i - 1]->task == blocks[i]->task;
        if (is_inner || blocks[i]->is_let_go)
            continue;
        if (last && last->lock == blocks[i]->lock)
            last->task = 0;
        else
            owners.items[owners.count++] =
                (struct rw_py_task_owner){blocks[i]->lock, blocks[i]->task, rw_py_with_place(py, blocks[i])};
    }
    talloc_free(blocks);
    return owners;
}

static int compare_owners(const void *left, const void *right)
{
    const struct rw_py_task_owner *a = left, *b = right;
    return (a->lock > b->lock) - (a->lock < b->lock);
}

const struct rw_py_task_owner *rw_py_task_owner(const struct rw_py_task_owners *owners, uint64_t lock)
{
    const struct rw_py_task_owner wanted = {.lock = lock};
    const struct rw_py_task_owner *found =
        owners->count ? bsearch(&wanted, owners->items, owners->count, sizeof wanted, compare_owners) : NULL;
    return found && found->task ? found : NULL;
}
