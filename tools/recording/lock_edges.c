/* SPDX-License-Identifier: MIT */
#include "tools/recording/lock_edges.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <talloc.h>

#include "tools/incident/model.h"
#include "tools/recording/reader.h"
#include "tools/snapshot/image.h"
#include "tools/snapshot/misuse_places.h"
#include "tools/snapshot/symbols.h"
#include "tools/snapshot/unwind.h"

static const char *variable(struct rw_incident *incident, struct rw_image *image, uint64_t address)
{
    const char *name = NULL, *module;
    return rw_symbols_data(image->symbols, address, incident, &name, &module) == 0 ? name : NULL;
}

static void fill_names(struct rw_incident *incident, struct rw_lock_edge_info *info,
                       const struct rw_lock_edge *edge, struct rw_image *image)
{
    struct rw_stack copy;
    const char *note = NULL;
    info->from_name = variable(incident, image, edge->from);
    info->to_name = variable(incident, image, edge->to);
    info->from_where = rw_code_place(incident, image->symbols, edge->from_return_address, true);
    info->to_where = rw_code_place(incident, image->symbols, edge->to_return_address, true);
    rw_stack_from_capture(&edge->capture, edge->stack, &copy);
    if (edge->capture.stack_length > 0 &&
        rw_unwind(image, &copy, incident, &info->native, &info->native_count, &note) != 0)
        info->native_count = 0;
}

void rw_fill_lock_edges(struct rw_incident *incident, struct rw_process_info *process,
                        struct rw_reader *reader, struct rw_image *image)
{
    const struct rw_header *header = rw_reader_header(reader);
    for (unsigned i = 0; i < header->lock_edge_count; i++) {
        struct rw_lock_edge edge;
        if (rw_reader_lock_edge(reader, i, &edge) != 0)
            continue;
        struct rw_lock_edge_info *info = rw_process_add_lock_edge(incident, process);
        info->tid = edge.tid;
        info->name = edge.name[0] != '\0' ? talloc_strdup(incident, edge.name) : NULL;
        info->time_ns = edge.time_ns;
        info->from = edge.from;
        info->to = edge.to;
        info->from_generation = edge.from_generation;
        info->to_generation = edge.to_generation;
        info->is_from_shared = (edge.flags & RW_EDGE_FROM_SHARED) != 0;
        info->is_to_shared = (edge.flags & RW_EDGE_TO_SHARED) != 0;
        for (unsigned j = 0; j < edge.gate_count; j++)
            rw_lock_edge_add_gate(incident, info, edge.gates[j]);
        info->creator_tid = edge.creator_tid;
        info->created_ns = edge.created_ns;
        info->joiner_tid = edge.joiner_tid;
        info->joined_ns = edge.joined_ns;
        if (image != NULL)
            fill_names(incident, info, &edge, image);
    }
    if (header->lock_edges_left_out != 0)
        rw_process_note(incident, process,
                        "%" PRIu64 " more lock orders were seen than the recording has room for",
                        header->lock_edges_left_out);
}
