/* SPDX-License-Identifier: MIT */
#include "shim/entry_patch.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "shim/raw.h"
#include "shim/x86_move.h"

#ifndef MAP_FIXED_NOREPLACE
#define MAP_FIXED_NOREPLACE 0x100000
#endif

enum { JUMP_SIZE = 5, PAGE = 4096 };

/* What a patched function gets: where its entry jumps to, and where its moved instructions are. */
struct thunk {
    uint8_t to_replacement[16]; /* jmp *0(%rip), and the address */
    uint8_t moved[RW_X86_MOVED_MAX];
    size_t taken; /* bytes of the function that were moved */
};

struct range {
    uintptr_t begin, end;
};

static const uint8_t *after_endbr64(const uint8_t *code)
{
    static const uint8_t endbr64[] = {0xf3, 0x0f, 0x1e, 0xfa};
    return memcmp(code, endbr64, sizeof endbr64) == 0 ? code + sizeof endbr64 : code;
}

static struct range extent(const struct rw_elf_module *module)
{
    struct range range = {UINTPTR_MAX, 0};
    for (size_t i = 0; i < module->segment_count; i++) {
        const Elf64_Phdr *segment = &module->segments[i];
        if (segment->p_type != PT_LOAD)
            continue;
        const uintptr_t begin = module->base + segment->p_vaddr, end = begin + segment->p_memsz;
        range.begin = begin < range.begin ? begin : range.begin;
        range.end = end > range.end ? end : range.end;
    }
    range.begin &= -(uintptr_t)PAGE;
    return range;
}

static void *map_at(uintptr_t place)
{
    const long page = rw_raw6(SYS_mmap, (long)place, PAGE, PROT_READ | PROT_WRITE,
                              MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    if (page < 0 && page >= -PAGE)
        return NULL;
    if ((uintptr_t)page == place)
        return (void *)page;
    rw_raw3(SYS_munmap, page, PAGE, 0); /* kernels before 4.17 take the flag for a hint */
    return NULL;
}

/* A page that 32-bit distances reach from all of the module. Below it first: above an executable its heap
 * grows. */
static void *map_near(const struct rw_elf_module *module)
{
    const struct range range = extent(module);
    const uintptr_t lowest = 0x10000, step = 0x10000, farthest = (uintptr_t)1 << 30;
    void *page = NULL;
    for (uintptr_t distance = step; !page && distance <= farthest; distance *= 2)
        if (range.begin >= lowest + distance)
            page = map_at(range.begin - distance);
    for (uintptr_t distance = step; !page && distance <= farthest; distance *= 2)
        page = map_at((range.end + distance) & -(uintptr_t)PAGE);
    return page;
}

static int build_thunk(struct thunk *thunk, const struct rw_entry_patch *patch)
{
    const uint8_t *function = (const uint8_t *)patch->function.address;
    const uint8_t *entry = after_endbr64(function);
    const size_t skipped = (size_t)(entry - function);
    if (patch->function.size <= skipped)
        return -EMSGSIZE;
    memcpy(thunk->to_replacement, "\xff\x25\0\0\0\0", 6);
    memcpy(thunk->to_replacement + 6, &patch->replacement, sizeof patch->replacement);
    uint8_t jump[JUMP_SIZE];
    const int reach = rw_x86_write_jump(jump, entry, thunk->to_replacement);
    if (reach)
        return reach;
    return rw_x86_move(entry, patch->function.size - skipped, JUMP_SIZE, thunk->moved, sizeof thunk->moved,
                       &thunk->taken);
}

static int protection(const Elf64_Phdr *segment)
{
    return (segment->p_flags & PF_R ? PROT_READ : 0) | (segment->p_flags & PF_W ? PROT_WRITE : 0) |
           (segment->p_flags & PF_X ? PROT_EXEC : 0);
}

/*
 * Whole segments, so that no mapping is split for good. Writable and executable at once for the moment, not
 * writable first and executable again later: a policy (SELinux execmod, a filter that forbids PROT_EXEC) that
 * refuses must do so before the code has lost its permission to run, not after.
 */
static int protect(const struct rw_elf_module *module, const Elf64_Phdr *segment, int extra)
{
    const uintptr_t begin = (module->base + segment->p_vaddr) & -(uintptr_t)PAGE;
    const uintptr_t end = module->base + segment->p_vaddr + segment->p_memsz;
    return (int)rw_raw3(SYS_mprotect, (long)begin, (long)(end - begin), protection(segment) | extra);
}

static void write_jumps(struct thunk *thunks, struct rw_entry_patch *patches, size_t count,
                        const struct rw_elf_module *module, const Elf64_Phdr *segment)
{
    for (size_t i = 0; i < count; i++) {
        const uintptr_t address = patches[i].function.address;
        if (patches[i].error || rw_elf_module_segment(module, address, JUMP_SIZE) != segment)
            continue;
        uint8_t *entry = (uint8_t *)after_endbr64((const uint8_t *)address);
        patches[i].original = thunks[i].moved;
        patches[i].error = rw_x86_write_jump(entry, entry, thunks[i].to_replacement);
        /* What is left of the last instruction is not run; whoever reads the code should not stumble over it.
         */
        memset(entry + JUMP_SIZE, 0x90, thunks[i].taken - JUMP_SIZE);
    }
}

static void fail_all(struct rw_entry_patch *patches, size_t count, int error)
{
    for (size_t i = 0; i < count; i++)
        if (!patches[i].error)
            patches[i].error = error;
}

static void patch_segments(const struct rw_elf_module *module, struct thunk *thunks,
                           struct rw_entry_patch *patches, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (patches[i].error || patches[i].original)
            continue;
        const Elf64_Phdr *segment =
            rw_elf_module_segment(module, patches[i].function.address, patches[i].function.size);
        if (!segment || !(segment->p_flags & PF_X)) {
            patches[i].error = -EFAULT;
            continue;
        }
        const int error = protect(module, segment, PROT_READ | PROT_WRITE);
        if (error) {
            patches[i].error = error;
            continue;
        }
        write_jumps(thunks, patches, count, module, segment);
        protect(module, segment, 0);
    }
}

size_t rw_entry_patch(const struct rw_elf_module *module, struct rw_entry_patch *patches, size_t count)
{
    size_t built = 0, patched = 0;
    struct thunk *thunks = map_near(module);
    for (size_t i = 0; i < count; i++) {
        patches[i].original = NULL;
        patches[i].error = !thunks ? -ENOMEM : (i + 1) * sizeof *thunks > PAGE ? -ENOSPC : 0;
        if (!patches[i].error)
            patches[i].error = build_thunk(&thunks[i], &patches[i]);
        built += patches[i].error == 0;
    }
    const int refused = built ? (int)rw_raw3(SYS_mprotect, (long)thunks, PAGE, PROT_READ | PROT_EXEC) : 0;
    if (refused)
        fail_all(patches, count, refused);
    else
        patch_segments(module, thunks, patches, count);
    for (size_t i = 0; i < count; i++)
        patched += patches[i].error == 0;
    if (thunks && patched == 0)
        rw_raw3(SYS_munmap, (long)thunks, PAGE, 0);
    return patched;
}
