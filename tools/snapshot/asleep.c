/* SPDX-License-Identifier: MIT */
#include "tools/snapshot/asleep.h"

#include <talloc.h>

#define PAGE UINT64_C(4096)

#define RSP 7
#define RIP 16

/* The kernel shows a call's stack pointer and pc only of a thread that is off its processor, and counts each
 * time that it is put on one: from a count before those were read to the same count later it did not run. */
bool rw_asleep_still(const struct rw_look *look, const struct rw_target *target)
{
    struct rw_proc_syscall now;
    uint64_t switches = 0;

    if (target->times.switches != 0)
        return rw_proc_switches(look->image->pid, target->tid, &switches) == 0 &&
               switches == target->times.switches;
    return rw_proc_syscall(look->image->pid, target->tid, &now) == 0 && now.number == target->call.number &&
           now.stack_pointer == target->call.stack_pointer && now.pc == target->call.pc;
}

bool rw_asleep_is_certain(const struct rw_target *target)
{
    return (target->times.state == 'S' || target->times.state == 'D') && target->times.switches != 0 &&
           target->call_error == 0 && target->call.number >= 0;
}

/* A page after the other: up to where there is nothing more. */
static size_t read_pages(struct rw_memory *memory, uint64_t start, uint64_t end, uint8_t *bytes)
{
    uint64_t at = start;

    while (at < end) {
        uint64_t next = (at & -PAGE) + PAGE;
        if (next > end)
            next = end;
        if (rw_memory_read(memory, at, bytes + (at - start), (size_t)(next - at)) < 0)
            break;
        at = next;
    }
    return (size_t)(at - start);
}

bool rw_asleep_read(struct rw_look *look, struct rw_target *target)
{
    uint64_t pointer = target->call.stack_pointer, start = (pointer - RW_RED_ZONE) & -UINT64_C(8),
             end = start + RW_STACK_COPY_MAX;

    if (target->call_error || target->call.number == -2 || pointer == 0 ||
        !rw_memory_is_live(look->image->memory))
        return false;
    const struct rw_mapping *mapping = rw_maps_find(look->image->maps, pointer);
    if (mapping && mapping->start > start)
        start = mapping->start;
    if (mapping && mapping->end < end)
        end = mapping->end;
    uint8_t *bytes = talloc_size(look->scratch, (size_t)(end - start));
    if (!bytes)
        return false;
    size_t length = (size_t)(end - start);
    if (rw_memory_read(look->image->memory, start, bytes, length) < 0)
        length = read_pages(look->image->memory, start, end, bytes);
    if (length <= pointer - start || !rw_asleep_still(look, target)) {
        talloc_free(bytes);
        return false;
    }
    target->lying =
        (struct rw_stack){.valid = 1u << RSP | 1u << RIP, .address = start, .bytes = bytes, .length = length};
    target->lying.registers[RSP] = pointer;
    target->lying.registers[RIP] = target->call.pc;
    return true;
}
