/* SPDX-License-Identifier: MIT */
/*
 * One walk over the frames of a thread state.
 *
 * Up to 3.10 every call is an evaluation loop of its own, and a frame object. From 3.11 one loop runs a chain
 * of interpreter frames, whose outermost one is the entry. 3.11 marks it; later a frame on the native stack
 * of the loop, that has no code, lies behind it. The cframes of 3.10 and 3.11 and that frame are local
 * variables of the loop: their address is what ties the chain to a native frame (anchor).
 *
 * Frames lie close together, so memory is read by pages, each once in a walk: what is in one page was read at
 * one moment.
 */
#include "tools/cpython/walk.h"

#include <errno.h>
#include <stdlib.h>

#include <talloc.h>

#include "tools/cpython/slots.h"

#define OWNED_BY_LOOP 3 /* and higher: no Python frame */
#define PAGE UINT64_C(4096)
#define PAGES 8u /* the last ones are kept: walks go from page to page, and between heap and native stack */

struct page {
    uint64_t address; /* 0: empty */
    uint8_t bytes[PAGE];
};

struct walk {
    struct rw_python *py;
    struct page pages[PAGES];
    unsigned page_next;
    struct rw_py_frame *frames;
    size_t count, room;
    size_t chain; /* first frame whose loop's end was not met yet */
    int64_t interpreter_id;
    bool with_slots;
};

static const struct page *page_at(struct walk *w, uint64_t address)
{
    for (unsigned i = 0; i < PAGES; i++)
        if (w->pages[i].address == address)
            return &w->pages[i];
    struct page *page = &w->pages[w->page_next++ % PAGES];
    page->address = 0;
    if (rw_py_read(w->py, address, page->bytes, PAGE))
        return NULL;
    page->address = address;
    return page;
}

static bool copy(void *walk, uint64_t address, void *buffer, size_t size)
{
    struct walk *w = walk;
    while (size) {
        uint64_t offset = address % PAGE;
        size_t part = size < PAGE - offset ? size : PAGE - offset;
        const struct page *page = page_at(w, address - offset);
        if (!page)
            return false;
        memcpy(buffer, page->bytes + offset, part);
        buffer = (uint8_t *)buffer + part;
        address += part;
        size -= part;
    }
    return true;
}

static uint64_t word(struct walk *w, uint64_t address)
{
    uint64_t value;
    return address && copy(w, address, &value, sizeof value) ? value : 0;
}

static void append(struct walk *w, const struct rw_py_frame *frame)
{
    if (w->count == w->room) {
        w->room = w->room ? w->room * 2 : 32;
        w->frames = talloc_realloc(w->py->scratch, w->frames, struct rw_py_frame, w->room);
        if (!w->frames)
            abort();
    }
    w->frames[w->count++] = *frame;
}

/* The frames since the last such call make one loop's chain. */
static void end_chain(struct walk *w, uint64_t anchor)
{
    for (size_t i = w->chain; i < w->count; i++)
        w->frames[i].anchor = anchor;
    if (w->count > w->chain)
        w->frames[w->count - 1].is_entry = true;
    w->chain = w->count;
}

/* 3.8 to 3.10. */
static int walk_objects(struct walk *w, uint64_t address, uint64_t cframe)
{
    const struct rw_layout *l = &w->py->layout;
    uint8_t raw[256];
    while (address && w->count < RW_PY_FRAMES_MAX) {
        if (!copy(w, address, raw, l->frame.size))
            return -EAGAIN;
        struct rw_py_frame frame = {
            .address = address,
            .previous = rw_py_field(raw, l->frame.previous),
            .code_address = rw_py_field(raw, l->frame.code),
            .globals = rw_py_field(raw, l->frame.globals),
            .interpreter_id = w->interpreter_id,
            .instruction = rw_py_field32(raw, l->frame.instruction),
        };
        if (w->with_slots)
            rw_py_fill_slots(w->py, &frame, copy, w);
        append(w, &frame);
        end_chain(w, cframe);
        cframe = cframe ? word(w, cframe + l->cframe.previous) : 0;
        address = frame.previous;
    }
    return 0;
}

/* From 3.11. `cframe`: the innermost one, which `address` was read from; 0 from 3.13. In 3.11 a loop that
 * begins puts its cframe into place before it fills it in, so a stopped thread may point to a frame of long
 * ago; but each cframe agrees with the chain of the one inside. The last one belongs to the thread state and
 * is no loop's. */
static int walk_interpreter_frames(struct walk *w, uint64_t address, uint64_t cframe)
{
    struct rw_python *py = w->py;
    const struct rw_layout *l = &py->layout;
    bool has_marks = l->frame.is_entry != RW_NO_FIELD;
    uint8_t raw[256];
    size_t steps = 0;
    int result = 0;
    while (address && steps++ < RW_PY_FRAMES_MAX * 2 && w->count < RW_PY_FRAMES_MAX) {
        if (!copy(w, address, raw, l->frame.size)) {
            result = -EAGAIN;
            break;
        }
        struct rw_py_frame frame = {
            .address = address,
            .previous = rw_py_field(raw, l->frame.previous),
            .code_address = rw_py_untag(py, rw_py_field(raw, l->frame.code)),
            .globals = rw_py_untag(py, rw_py_field(raw, l->frame.globals)),
            .interpreter_id = w->interpreter_id,
            .instruction = rw_py_field(raw, l->frame.instruction),
        };
        if (l->frame.tlbc_index != RW_NO_FIELD)
            frame.tlbc_index = rw_py_field32(raw, l->frame.tlbc_index);
        if (raw[l->frame.owner] >= OWNED_BY_LOOP) {
            end_chain(w, address);
        } else {
            if (w->with_slots)
                rw_py_fill_slots(w->py, &frame, copy, w);
            append(w, &frame);
            if (has_marks && raw[l->frame.is_entry]) {
                end_chain(w, cframe);
                cframe = word(w, cframe + l->cframe.previous);
                if (!cframe || word(w, cframe + l->cframe.frame) != frame.previous) {
                    result = -EAGAIN;
                    break;
                }
            }
        }
        address = frame.previous;
    }
    if (w->count > w->chain) {
        end_chain(w, 0);
        result = -EAGAIN;
    }
    return result;
}

/* The head of the list: what a thread changes with every call and return. */
static uint64_t read_head(struct rw_python *py, uint64_t state, uint64_t *cframe)
{
    uint64_t head = rw_py_word(py, state + py->layout.thread_state.frame);
    *cframe = 0;
    if (py->layout.thread_state.cframe != RW_NO_FIELD)
        *cframe = rw_py_word(py, state + py->layout.thread_state.cframe);
    if (py->layout.cframe.frame == RW_NO_FIELD || !head)
        return head;
    *cframe = head;
    return rw_py_word(py, head + py->layout.cframe.frame);
}

int rw_py_walk(struct rw_python *py, const struct rw_py_state *state, bool with_slots,
               struct rw_py_frame **frames, size_t *count, bool *ran)
{
    struct walk w = {.py = py, .interpreter_id = state->interpreter_id, .with_slots = with_slots};
    uint64_t cframe, cframe_after, head = read_head(py, state->address, &cframe);
    int result =
        py->layout.minor <= 10 ? walk_objects(&w, head, cframe) : walk_interpreter_frames(&w, head, cframe);
    if (ran)
        *ran = read_head(py, state->address, &cframe_after) != head || cframe_after != cframe;
    /* Ten thousand threads may be kept, of a few frames each. */
    *frames = w.count > 0 ? talloc_realloc(py->scratch, w.frames, struct rw_py_frame, w.count) : w.frames;
    *count = w.count;
    return result;
}
