/* SPDX-License-Identifier: MIT */
#include "tools/postmortem/lock_edges.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <talloc.h>

#include "tools/incident/model.h"
#include "tools/recording/reader.h"
#include "tools/snapshot/code_place.h"
#include "tools/snapshot/image.h"
#include "tools/snapshot/symbols.h"
#include "tools/snapshot/unwind.h"

static const char *variable(struct rw_incident *incident, struct rw_image *image, uint64_t address)
{
    const char *name = NULL, *module;
    return rw_symbols_data(image->symbols, address, incident, &name, &module) == 0 ? name : NULL;
}

/* Python frames have no more than these three. */
static void fill_python(struct rw_incident *incident, const struct rw_lock_stack *stack,
                        struct rw_lock_place *place)
{
    for (unsigned i = 0; i < stack->frame_count; i++) {
        struct rw_python_frame *frame = rw_lock_place_add_python(incident, place);
        frame->file = talloc_strdup(incident, stack->frames[i].file);
        frame->function = talloc_strdup(incident, stack->frames[i].function);
        frame->line = stack->frames[i].line;
        frame->native_index = -1;
        frame->interpreter = -1;
    }
}

static void fill_place(struct rw_incident *incident, struct rw_reader *reader, struct rw_image *image,
                       uint64_t return_address, uint32_t number, struct rw_lock_place *place)
{
    struct rw_lock_stack *stack = talloc(NULL, struct rw_lock_stack);
    if (image != NULL)
        place->where = rw_code_place(incident, image->symbols, return_address, true);
    if (rw_reader_lock_stack(reader, number, stack) == 0) {
        struct rw_stack copy;
        const char *note = NULL;
        fill_python(incident, stack, place);
        rw_stack_from_capture(&stack->capture, stack->stack, &copy);
        if (image != NULL && stack->capture.stack_length > 0 &&
            rw_unwind(image, &copy, incident, &place->native, &place->native_count, &note) != 0)
            place->native_count = 0;
    }
    talloc_free(stack);
}

static const char *kind_word(uint8_t kind)
{
    static const char *const words[RW_LOCK_KINDS] = {
        [RW_LOCK_KIND_LIBC] = "lock",
        [RW_LOCK_KIND_SEMAPHORE] = "semaphore",
        [RW_LOCK_KIND_PYTHON] = "python-lock",
        [RW_LOCK_KIND_GIL] = "gil",
    };
    return kind < RW_LOCK_KINDS ? words[kind] : NULL;
}

static bool is_lock(const struct rw_lock_edge *edge)
{
    return (edge->flags & (RW_EDGE_FROM_SIGNAL | RW_EDGE_TO_SIGNAL)) == 0;
}

/* Those that meet another one: of a thousand orders few do, and their stacks take long to unwind. */
static void find_met(struct rw_reader *reader, unsigned count, bool has_met[RW_LOCK_EDGE_MAX])
{
    struct rw_lock_edge edge;
    for (unsigned i = 0; i < count; i++) {
        if (rw_reader_lock_edge(reader, i, &edge) != 0 || !is_lock(&edge))
            continue;
        has_met[i] |= edge.meet_count != 0;
        for (unsigned j = 0; j < edge.meet_count; j++) {
            if (edge.meets[j] < count)
                has_met[edge.meets[j]] = true;
        }
    }
}

void rw_fill_lock_edges(struct rw_incident *incident, struct rw_process_info *process,
                        struct rw_reader *reader, struct rw_image *image)
{
    const struct rw_header *header = rw_reader_header(reader);
    bool has_met[RW_LOCK_EDGE_MAX] = {false};
    find_met(reader, header->lock_edge_count, has_met);
    for (unsigned i = 0; i < header->lock_edge_count; i++) {
        struct rw_lock_edge edge;
        if (!has_met[i] || rw_reader_lock_edge(reader, i, &edge) != 0 || !is_lock(&edge))
            continue;
        struct rw_lock_edge_info *info = rw_process_add_lock_edge(incident, process);
        info->number = i;
        info->tid = edge.tid;
        info->name = edge.name[0] != '\0' ? talloc_strdup(incident, edge.name) : NULL;
        info->time_ns = edge.time_ns;
        info->from = edge.from;
        info->to = edge.to;
        info->from_generation = edge.from_generation;
        info->to_generation = edge.to_generation;
        info->from_kind = kind_word(edge.from_kind);
        info->to_kind = kind_word(edge.to_kind);
        info->is_from_shared = (edge.flags & RW_EDGE_FROM_SHARED) != 0;
        info->is_to_shared = (edge.flags & RW_EDGE_TO_SHARED) != 0;
        for (unsigned j = 0; j < edge.gate_count; j++)
            rw_lock_edge_add_gate(incident, info, edge.gates[j]);
        for (unsigned j = 0; j < edge.meet_count; j++)
            rw_lock_edge_add_meeting(incident, info, edge.meets[j]);
        if (image != NULL && edge.from_kind != RW_LOCK_KIND_PYTHON)
            info->from_name = variable(incident, image, edge.from);
        if (image != NULL && edge.to_kind != RW_LOCK_KIND_PYTHON)
            info->to_name = variable(incident, image, edge.to);
        fill_place(incident, reader, image, edge.from_return_address, edge.from_stack, &info->from_place);
        fill_place(incident, reader, image, edge.to_return_address, edge.to_stack, &info->to_place);
    }
    if (header->lock_edges_left_out != 0)
        rw_process_note(incident, process,
                        "%" PRIu64 " more lock orders were seen than the recording has room for",
                        header->lock_edges_left_out);
}
