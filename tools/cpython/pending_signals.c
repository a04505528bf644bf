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
#include <wchar.h>

#include <talloc.h>

#include "tools/cpython/object.h"

#define ROWS 65u     /* Py_NSIG on Linux */
#define ROW_WORDS 2u /* of 8 bytes */
#define ROWS_WORDS ((size_t)ROWS * ROW_WORDS)
#define PART_WORDS ((size_t)8192) /* that are read at once */
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

/* Of the rows of which one has the function at words[at]. */
static const uint64_t *rows_around(const uint64_t *words, size_t count, size_t at, uint64_t by_default)
{
    for (size_t row = 1; row < ROWS; row++) {
        size_t before = row * ROW_WORDS + 1;
        if (before <= at && at - before + ROWS_WORDS <= count && are_rows(words + (at - before), by_default))
            return words + (at - before);
    }
    return NULL;
}

static const uint64_t *rows_in(const uint64_t *words, size_t count, uint64_t by_default)
{
    /* By halves of a word: libc looks at many of them at once. */
    const wchar_t *halves = (const wchar_t *)words, *end = halves + 2 * count, *half = halves;
    const uint64_t *rows = NULL;
    while (!rows && (half = wmemchr(half, (wchar_t)by_default, (size_t)(end - half))) != NULL) {
        size_t at = (size_t)(half++ - halves);
        if (at % 2 == 0 && words[at / 2] == by_default)
            rows = rows_around(words, count, at / 2, by_default);
    }
    return rows;
}

/* The rows, if that is where they are. */
static const uint64_t *rows_at(struct rw_python *py, uint64_t address, struct range range,
                               uint64_t by_default)
{
    uint64_t *words;

    if (address < range.start || address > range.end || range.end - address < ROWS_WORDS * sizeof *words)
        return NULL;
    words = talloc_array(py->scratch, uint64_t, ROWS_WORDS);
    if (!words)
        abort();
    return !rw_py_read(py, address, words, ROWS_WORDS * sizeof *words) && are_rows(words, by_default) ? words
                                                                                                      : NULL;
}

/* The rows as they are now, a copy under py->scratch; NULL if they are not found. */
static const uint64_t *find_rows(struct rw_python *py)
{
    /* From _PyRuntime, in the process before: the workers of a pool run the same Python, and each has two
     * megabytes of data. */
    static uint64_t distance;
    const struct rw_py_interpreter *in = rw_py_interpreter_of(py, 0);
    uint64_t module = in ? rw_py_module_dict(py, in, "_signal") : 0;
    uint64_t by_default = module ? rw_py_dict_get(py, module, "SIG_DFL") : 0;
    struct range range = data_of_python(py);
    uint64_t *words;

    if (!by_default)
        return NULL;
    const uint64_t *known = rows_at(py, py->runtime + distance, range, by_default);
    if (known)
        return known;
    words = talloc_array(py->scratch, uint64_t, PART_WORDS);
    if (!words)
        abort();
    /* Parts overlap, so that the rows are whole in one of them. */
    for (uint64_t at = range.start; at < range.end; at += (PART_WORDS - ROWS_WORDS) * sizeof *words) {
        size_t count = (range.end - at) / sizeof *words;
        const uint64_t *rows;
        if (count > PART_WORDS)
            count = PART_WORDS;
        if (rw_py_read(py, at, words, count * sizeof *words))
            return NULL;
        rows = rows_in(words, count, by_default);
        if (rows) {
            distance = at + (uint64_t)(rows - words) * sizeof *words - py->runtime;
            return rows;
        }
    }
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
