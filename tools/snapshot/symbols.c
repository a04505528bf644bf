/* SPDX-License-Identifier: MIT */
#include "tools/snapshot/symbols.h"

#include <dwarf.h>
#include <elfutils/libdw.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <talloc.h>
#include <unistd.h>

#include <uthash.h>

#include "tools/basics/paths.h"
#include "tools/snapshot/debug_file.h"
#include "tools/snapshot/demangle.h"
#include "tools/snapshot/shared_places.h"
#include "tools/snapshot/symbol_index.h"
#include "tools/snapshot/symbols_internal.h"

#define INLINES_MAX 32

/* Threads share most of their frames, so each place is worked out once. */
struct rw_place {
    struct {
        uint64_t pc;
        uint64_t is_return;
    } key;
    struct rw_frame *frames;
    size_t count;
    bool is_lasting; /* its strings are those of the shared places */
    UT_hash_handle hh;
};

static const Dwfl_Callbacks callbacks = {
    .find_elf = rw_debug_file_no_elf, /* modules are reported with their files */
    .find_debuginfo = rw_debug_file_find,
    .section_address = dwfl_offline_section_address,
};

static int destroy(struct rw_symbols *symbols)
{
    HASH_CLEAR(hh, symbols->places);
    rw_symbols_forget_found(symbols);
    if (symbols->dwfl)
        dwfl_end(symbols->dwfl);
    return 0;
}

struct rw_symbols *rw_symbols_new(void *parent, struct rw_modules *modules)
{
    struct rw_symbols *symbols = talloc_zero(parent, struct rw_symbols);

    if (!symbols)
        return NULL;
    symbols->modules = modules;
    symbols->dwfl = dwfl_begin(&callbacks);
    talloc_set_destructor(symbols, destroy);
    if (!symbols->dwfl) {
        talloc_free(symbols);
        return NULL;
    }
    return symbols;
}

/* The module as libdw knows it; NULL where it has no believed file. */
static Dwfl_Module *dwfl_module(struct rw_symbols *symbols, struct rw_module *module)
{
    if (module->dwfl_tried)
        return module->dwfl;
    module->dwfl_tried = true;
    if (rw_module_open(symbols->modules, module) < 0 || !module->elf)
        return NULL;
    /* libdw closes the descriptor that it is given. */
    int fd = dup(module->fd);
    if (fd < 0)
        return NULL;
    dwfl_report_begin_add(symbols->dwfl);
    module->dwfl = dwfl_report_elf(symbols->dwfl, module->path, module->path, fd, module->bias, true);
    if (!module->dwfl)
        close(fd);
    else {
        void **user;
        dwfl_module_info(module->dwfl, &user, NULL, NULL, NULL, NULL, NULL, NULL);
        *user = module;
        module->by_address = rw_symbol_index_new(symbols, module->dwfl);
    }
    dwfl_report_end(symbols->dwfl, NULL, NULL);
    return module->dwfl;
}

static bool is_shim(const char *path)
{
    return strcmp(rw_base_name(path), "libracewatch.so") == 0;
}

static bool is_python_eval(const char *function)
{
    static const char name[] = "_PyEval_EvalFrameDefault";

    /* "….cold" and the like are parts of it that the compiler moved. */
    return function && strncmp(function, name, sizeof(name) - 1) == 0 &&
           (function[sizeof(name) - 1] == '\0' || function[sizeof(name) - 1] == '.');
}

/* The name of a function in the debug information, as the linker has it where that is known. */
static const char *die_name(Dwarf_Die *die)
{
    Dwarf_Attribute attribute;
    const char *name = NULL;

    if (dwarf_attr_integrate(die, DW_AT_linkage_name, &attribute) ||
        dwarf_attr_integrate(die, DW_AT_MIPS_linkage_name, &attribute))
        name = dwarf_formstring(&attribute);
    return name ? name : dwarf_diename(die);
}

/* The source file of the call that was inlined as `die`. */
static void call_site(Dwarf_Die *die, Dwarf_Die *unit, const char **file, int *line)
{
    Dwarf_Attribute attribute;
    Dwarf_Word number;
    Dwarf_Files *files;

    *file = NULL;
    *line = 0;
    if (dwarf_formudata(dwarf_attr(die, DW_AT_call_line, &attribute), &number) == 0)
        *line = (int)number;
    if (dwarf_formudata(dwarf_attr(die, DW_AT_call_file, &attribute), &number) == 0 &&
        dwarf_getsrcfiles(unit, &files, NULL) == 0)
        *file = dwarf_filesrc(files, number, NULL, NULL);
}

/* What `pc` lies in, innermost first, as the calls are nested in the code. dwarf_getscopes follows an inlined
 * call to where the function stands in the source, and leaves out the calls that it was inlined through. */
static int nested_scopes(Dwarf_Die *unit, Dwarf_Addr pc, Dwarf_Die **scopes)
{
    Dwarf_Die *lexical = NULL;
    int depth = dwarf_getscopes(unit, pc, &lexical);

    *scopes = NULL;
    if (depth > 0)
        depth = dwarf_getscopes_die(&lexical[0], scopes);
    free(lexical);
    return depth;
}

/* Source line and inlined calls. frames[0] holds the function as the symbol table has it; inlined ones go
 * before it. Returns the number of frames. */
static size_t add_source(Dwfl_Module *dwfl, uint64_t pc, void *ctx, struct rw_frame frames[INLINES_MAX + 1])
{
    struct rw_frame outer = frames[0];
    Dwarf_Addr bias;
    Dwarf_Die *scopes = NULL;
    size_t count = 0;
    int line = 0;

    Dwfl_Line *source = dwfl_module_getsrc(dwfl, pc);
    const char *file = source ? dwfl_lineinfo(source, NULL, &line, NULL, NULL, NULL) : NULL;
    Dwarf_Die *unit = dwfl_module_addrdie(dwfl, pc, &bias);
    int depth = unit ? nested_scopes(unit, pc - bias, &scopes) : 0;
    for (int i = 0; i < depth && count < INLINES_MAX; i++) {
        int tag = dwarf_tag(&scopes[i]);
        if (tag != DW_TAG_inlined_subroutine && tag != DW_TAG_subprogram)
            continue;
        const char *name = die_name(&scopes[i]);
        if (tag == DW_TAG_subprogram) {
            /* Static functions that a strip has taken from the symbol table are still named here. */
            if (name && !outer.function)
                outer.function = rw_demangle(ctx, name);
            break;
        }
        frames[count] = outer;
        frames[count].function = name ? rw_demangle(ctx, name) : NULL;
        frames[count].offset = 0;
        frames[count].is_inlined = true;
        frames[count].is_python_eval = false;
        frames[count].file = talloc_strdup(ctx, file);
        frames[count].line = line;
        count++;
        call_site(&scopes[i], unit, &file, &line);
    }
    free(scopes);
    outer.file = talloc_strdup(ctx, file);
    outer.line = line;
    frames[count] = outer;
    return count + 1;
}

/* Works out what is at pc; `look` is pc, or pc - 1 for a return address. */
static size_t find_place(struct rw_symbols *symbols, uint64_t pc, uint64_t look, void *ctx,
                         struct rw_frame frames[INLINES_MAX + 1])
{
    struct rw_frame *frame = &frames[0];
    struct rw_module *module = rw_modules_find(symbols->modules, look);
    size_t count = 1;

    *frame = (struct rw_frame){.pc = pc};
    if (!module) {
        const struct rw_mapping *mapping = rw_maps_find(symbols->modules->maps, look);
        if (mapping && mapping->path)
            frame->module = talloc_strdup(ctx, mapping->path);
        return 1;
    }
    frame->module = talloc_strdup(ctx, module->path);
    frame->is_shim = is_shim(module->path);
    if (rw_module_open(symbols->modules, module) < 0)
        return 1;
    frame->module_offset = pc - module->bias;
    if (module->build_id[0])
        frame->build_id = talloc_strdup(ctx, module->build_id);
    Dwfl_Module *dwfl = dwfl_module(symbols, module);
    if (!dwfl)
        return 1;
    uint64_t offset;
    const char *name = module->by_address ? rw_symbol_index_find(module->by_address, look, &offset) : NULL;
    if (name) {
        frame->function = rw_demangle(ctx, name);
        frame->offset = offset + (pc - look);
        frame->is_python_eval = is_python_eval(name);
    }
    if (!frame->is_shim && !module->has_costly_lines)
        count = add_source(dwfl, look, ctx, frames);
    return count;
}

/* The same, but for what the symbols of another process have found in the same file. */
static size_t find_shared(struct rw_symbols *symbols, uint64_t pc, uint64_t look, bool is_return, void *ctx,
                          struct rw_frame frames[INLINES_MAX + 1], bool *is_lasting)
{
    struct rw_module *module = symbols->shared ? rw_modules_find(symbols->modules, look) : NULL;
    size_t count;

    *is_lasting = false;
    if (!module || rw_module_open(symbols->modules, module) < 0)
        return find_place(symbols, pc, look, ctx, frames);
    const struct rw_frame *found =
        rw_shared_places_find(symbols->shared, module, pc - module->bias, is_return, &count);
    if (!found) {
        count = find_place(symbols, pc, look, ctx, frames);
        found = rw_shared_places_add(symbols->shared, module, pc - module->bias, is_return, frames, count);
    }
    if (!found)
        return count;
    memcpy(frames, found, count * sizeof *frames);
    *is_lasting = true;
    for (size_t i = 0; i < count; i++) {
        frames[i].pc = pc;
        if (frames[i].module && strcmp(frames[i].module, module->path) == 0)
            continue;
        frames[i].module = module->path;
        frames[i].is_shim = is_shim(module->path);
        *is_lasting = false;
    }
    return count;
}

static struct rw_place *place_of(struct rw_symbols *symbols, uint64_t pc, bool is_return)
{
    struct rw_frame frames[INLINES_MAX + 1];
    struct rw_place *place, key = {.key = {pc, is_return}};

    HASH_FIND(hh, symbols->places, &key.key, sizeof(key.key), place);
    if (place)
        return place;
    place = talloc_zero(symbols, struct rw_place);
    if (!place)
        return NULL;
    place->key = key.key;
    place->count =
        find_shared(symbols, pc, is_return && pc ? pc - 1 : pc, is_return, place, frames, &place->is_lasting);
    place->frames = talloc_memdup(place, frames, place->count * sizeof(frames[0]));
    if (!place->frames) {
        talloc_free(place);
        return NULL;
    }
    HASH_ADD(hh, symbols->places, key, sizeof(place->key), place);
    return place;
}

int rw_symbols_frames(struct rw_symbols *symbols, uint64_t pc, bool is_return, void *ctx,
                      struct rw_frame **frames, size_t *count)
{
    struct rw_place *place = place_of(symbols, pc, is_return);

    *frames = place ? talloc_array(ctx, struct rw_frame, place->count) : NULL;
    *count = *frames ? place->count : 0;
    if (!*frames)
        return -ENOMEM;
    memcpy(*frames, place->frames, *count * sizeof **frames);
    for (size_t i = 0; i < *count && !place->is_lasting; i++) {
        struct rw_frame *frame = &(*frames)[i];
        frame->function = talloc_strdup(ctx, frame->function);
        frame->file = talloc_strdup(ctx, frame->file);
        frame->module = talloc_strdup(ctx, frame->module);
        frame->build_id = talloc_strdup(ctx, frame->build_id);
    }
    return 0;
}

const char *rw_symbols_describe(void *opaque, uint64_t address, void *talloc_parent)
{
    struct rw_symbols *symbols = opaque;
    struct rw_place *place = place_of(symbols, address, false);

    if (!place || !rw_modules_find(symbols->modules, address))
        return NULL;
    /* The start of a function is meant as such; within one, it is where a call returns to. */
    const struct rw_frame *frame = &place->frames[place->count - 1];
    if (!frame->function || frame->offset != 0) {
        place = place_of(symbols, address, true);
        /* At a module's first byte nothing is before it. */
        if (place && place->frames[place->count - 1].module)
            frame = &place->frames[place->count - 1];
    }
    return talloc_asprintf(talloc_parent, "%s (%s+0x%llx)", frame->function ? frame->function : "??",
                           rw_base_name(frame->module), (unsigned long long)frame->module_offset);
}
