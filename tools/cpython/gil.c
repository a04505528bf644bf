/* SPDX-License-Identifier: MIT */
/*
 * Who holds the GIL. Up to 3.11 there is one for all interpreters, and the runtime names the thread state
 * that holds it; in 3.12 and later each interpreter points to the one it uses, its own or the main
 * interpreter's, with a flag and the last holder. A free-threaded build has it too, switched off; there a
 * thread state's own flag says that it is attached.
 */
#include "tools/cpython/python.h"

#define STATUS_ACTIVE (1u << 4) /* PyThreadState._status.active, 3.12 and later */

static struct rw_py_state *state_at(struct rw_python *py, uint64_t address)
{
    for (size_t i = 0; address && i < py->state_count; i++)
        if (py->states[i].address == address)
            return &py->states[i];
    return NULL;
}

static void read_gil(struct rw_python *py, const struct rw_py_interpreter *in, struct rw_gil *gil)
{
    const struct rw_layout *l = &py->layout;
    uint32_t locked;
    *gil = (struct rw_gil){.address = in->gil, .is_enabled = 1, .is_locked = -1, .holder_tid = -1};
    if (!in->gil || rw_py_read(py, in->gil + l->gil.locked, &locked, sizeof locked) || (locked + 1) > 2)
        return;
    if (l->gil.enabled != RW_NO_FIELD)
        gil->is_enabled = rw_py_int(py, in->gil + l->gil.enabled) != 0;
    gil->is_locked = locked == 1;                                /* -1: not made yet */
    gil->switches = rw_py_word(py, in->gil + l->gil.locked + 8); /* switch_number, in all versions */
    if (!gil->is_locked) {
        gil->holder_tid = 0;
        gil->certainty = RW_EXACT;
        return;
    }
    gil->holder_thread_state = l->runtime.current != RW_NO_FIELD
                                   ? rw_py_word(py, py->runtime + l->runtime.current)
                                   : rw_py_word(py, in->gil + l->gil.holder);
    const struct rw_py_state *holder = state_at(py, gil->holder_thread_state);
    if (holder && holder->tid > 0) {
        /* Up to 3.12 a subinterpreter's state may run on another thread than the one that made it; that its
         * frames lie on a thread's stack is proof, that they are as many as its evaluation loops is not. */
        bool is_placed = holder->interpreter_id == 0 || l->minor >= 13 ||
                         (holder->frame_count && holder->frames[0].anchor);
        gil->holder_tid = holder->tid;
        gil->certainty = is_placed ? RW_EXACT : RW_INFERRED;
    }
}

static void mark_attached(struct rw_python *py, const struct rw_gil *gil)
{
    struct rw_py_state *holder = gil->is_enabled == 1 ? state_at(py, gil->holder_thread_state) : NULL;
    if (holder)
        holder->is_attached = true;
}

void rw_py_fill_gil(struct rw_python *py)
{
    for (size_t i = 0; i < py->interpreter_count; i++) {
        struct rw_interpreter_info *info =
            rw_process_interpreter(py->incident, py->process, py->interpreters[i].address);
        read_gil(py, &py->interpreters[i], &info->gil);
        mark_attached(py, &info->gil);
    }
    if (py->layout.is_free_threaded)
        for (size_t i = 0; i < py->state_count; i++)
            if (py->states[i].status & STATUS_ACTIVE)
                py->states[i].is_attached = true;
}
