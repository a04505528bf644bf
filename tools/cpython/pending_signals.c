/* SPDX-License-Identifier: MIT */
/*
 * Signals that have come, and whose Python handlers have not run. What the kernel delivers is only noted, in
 * `tripped` of the signal's row; the handler runs when the main thread is next between two instructions of
 * the main interpreter. So while that thread is inside another interpreter, or in C code that goes on waiting
 * after a signal, the note stands.
 *
 * The rows are {int tripped; PyObject *func}, Py_NSIG of them, the first one unused: the static `Handlers` of
 * Modules/signalmodule.c up to 3.11, `_PyRuntime.signals.handlers` later. Neither a symbol that strip leaves
 * nor a debug offset tells where. But every row has a function, and that of most is the object SIG_DFL of the
 * module _signal; nothing else in Python's own data looks like that.
 */
#include "tools/cpython/python.h"

#include <stdlib.h>

#include <talloc.h>

#include "tools/cpython/object.h"

#define ROWS 65u     /* Py_NSIG on Linux */
#define ROW_WORDS 2u /* of 8 bytes */
#define DEFAULTS_MIN 16u
#define DATA_MAX (UINT64_C(16) << 20) /* bytes; Python's data with its .bss has up to 2 MiB */

struct range {
    uint64_t start, end;
};

/* The writable data of the module that has _PyRuntime, with the .bss that follows it. */
static struct range data_of_python(const struct rw_python *py)
{
    const struct rw_mapping *mine = rw_maps_find(py->maps, py->runtime);
    const struct rw_mapping *first = mine, *last = mine, *end = py->maps->items + py->maps->count;

    if (!mine || !mine->writable)
        return (struct range){0, 0};
    while (first > py->maps->items && first[-1].end == first->start && first[-1].writable &&
           first[-1].inode == mine->inode)
        first--;
    while (last + 1 < end && last[1].start == last->end && last[1].writable &&
           (last[1].inode == mine->inode || (!last[1].inode && !last[1].path)))
        last++;
    return (struct range){first->start,
                          last->end - first->start > DATA_MAX ? first->start + DATA_MAX : last->end};
}

static bool are_rows(const uint64_t *words, uint64_t by_default)
{
    unsigned defaults = 0;

    if (words[0] || words[1])
        return false;
    for (unsigned i = 1; i < ROWS; i++) {
        const uint64_t *row = words + (size_t)i * ROW_WORDS;

        if (row[0] > 1 || !row[1] || row[1] % 8)
            return false;
        defaults += row[1] == by_default;
    }
    return defaults >= DEFAULTS_MIN;
}

/* The rows as they are now, a copy under py->scratch; NULL if they are not found. */
static const uint64_t *find_rows(struct rw_python *py)
{
    const struct rw_py_interpreter *in = rw_py_interpreter_of(py, 0);
    uint64_t module = in ? rw_py_module_dict(py, in, "_signal") : 0;
    uint64_t by_default = module ? rw_py_dict_get(py, module, "SIG_DFL") : 0;
    struct range range = data_of_python(py);
    size_t count = (range.end - range.start) / sizeof(uint64_t);
    uint64_t *words;

    if (!by_default || count < (size_t)ROWS * ROW_WORDS)
        return NULL;
    words = talloc_array(py->scratch, uint64_t, count);
    if (!words)
        abort();
    if (rw_py_read(py, range.start, words, count * sizeof *words))
        return NULL;
    for (size_t i = 0; i + (size_t)ROWS * ROW_WORDS <= count; i++)
        if (are_rows(words + i, by_default))
            return words + i;
    return NULL;
}

/* Python's main thread is the one that made the first thread state there was, and after a fork the only one
 * that is left. */
static int main_thread(const struct rw_python *py)
{
    const struct rw_py_state *first = NULL;

    for (size_t i = 0; i < py->state_count; i++)
        if (py->states[i].interpreter_id == 0 && (!first || py->states[i].id < first->id))
            first = &py->states[i];
    return first && first->maker_tid > 0 ? first->maker_tid : 0;
}

void rw_py_fill_pending_signals(struct rw_python *py)
{
    const uint64_t *rows = find_rows(py);

    for (int number = 1; rows && number < (int)ROWS; number++)
        if (rows[(size_t)number * ROW_WORDS])
            rw_process_add_pending_signal(py->incident, py->process, number, main_thread(py));
}
