/* SPDX-License-Identifier: MIT */
#include "tools/snapshot/unwind.h"

#include <errno.h>
#include <libunwind.h>
#include <stdarg.h>
#include <string.h>
#include <talloc.h>

#include "tools/snapshot/frame_table.h"
#include "tools/snapshot/image.h"
#include "tools/snapshot/module.h"

/* Exported by libunwind-x86_64 for users with tables of their own (perf is one), but in none of its headers.
 */
extern int UNW_OBJ(dwarf_search_unwind_table)(unw_addr_space_t space, unw_word_t ip, unw_dyn_info_t *table,
                                              unw_proc_info_t *info, int need_unwind_info, void *arg);

#define CACHED_PLACES 2048 /* how to unwind from a place, kept by libunwind */

struct rw_unwinder {
    unw_addr_space_t space;
};

/* One stack being walked: libunwind's `arg`. */
struct walk {
    struct rw_image *image;
    const struct rw_stack *stack;
    uint64_t missing_ip; /* where no unwind table was found in this step */
    bool is_missing;
    bool was_beyond; /* stack outside of the copy was read while the thread ran */
};

static int find_proc_info(unw_addr_space_t space, unw_word_t ip, unw_proc_info_t *info, int need_unwind_info,
                          void *arg)
{
    struct walk *walk = arg;
    struct rw_module *module = rw_modules_find(walk->image->modules, ip);
    int result = -UNW_ENOINFO;

    if (module && rw_module_open(walk->image->modules, module) == 0) {
        if (rw_frame_table(walk->image, module)) {
            unw_dyn_info_t table = {
                .start_ip = module->start,
                .end_ip = module->end,
                .format = UNW_INFO_FORMAT_REMOTE_TABLE,
            };
            table.u.rti.segbase = module->table_base;
            table.u.rti.table_data = module->table_address;
            table.u.rti.table_len = module->table_entries * 8 / sizeof(unw_word_t);
            result = UNW_OBJ(dwarf_search_unwind_table)(space, ip, &table, info, need_unwind_info, arg);
        }
    }
    if (result < 0) {
        walk->is_missing = true;
        walk->missing_ip = ip;
    }
    return result;
}

static void put_unwind_info(unw_addr_space_t space, unw_proc_info_t *info, void *arg)
{
    /* libunwind itself frees what dwarf_search_unwind_table allocated. */
    (void)space, (void)info, (void)arg;
}

static int no_dynamic_info(unw_addr_space_t space, unw_word_t *address, void *arg)
{
    (void)space, (void)address, (void)arg;
    return -UNW_ENOINFO;
}

static int access_mem(unw_addr_space_t space, unw_word_t address, unw_word_t *value, int write, void *arg)
{
    struct walk *walk = arg;
    const struct rw_stack *stack = walk->stack;

    (void)space;
    if (write)
        return -UNW_EINVAL;
    if (address >= stack->address && address - stack->address < stack->length &&
        stack->length - (address - stack->address) >= sizeof(*value)) {
        memcpy(value, stack->bytes + (address - stack->address), sizeof(*value));
        return 0;
    }
    if (rw_frame_table_word(walk->image->modules, address, value))
        return 0;
    /* Tables and code: from the files, which costs no system call. */
    if (rw_modules_read(walk->image->modules, address, value, sizeof(*value)) == 0)
        return 0;
    if (rw_memory_read(walk->image->memory, address, value, sizeof(*value)) < 0)
        return -UNW_EINVAL;
    const struct rw_mapping *mapping = rw_maps_find(walk->image->maps, address);
    /* A module's data are read too: where the code says by way of a pointer who handles its exceptions. */
    walk->was_beyond |= mapping && mapping->writable && !mapping->executable && mapping->inode == 0;
    return 0;
}

static int access_reg(unw_addr_space_t space, unw_regnum_t number, unw_word_t *value, int write, void *arg)
{
    struct walk *walk = arg;

    (void)space;
    /* libunwind numbers them as DWARF does. */
    if (write || number < 0 || number >= (int)RW_REGISTER_COUNT || !(walk->stack->valid & 1u << number))
        return -UNW_EBADREG;
    *value = walk->stack->registers[number];
    return 0;
}

static int no_fpreg(unw_addr_space_t space, unw_regnum_t number, unw_fpreg_t *value, int write, void *arg)
{
    (void)space, (void)number, (void)value, (void)write, (void)arg;
    return -UNW_EBADREG;
}

static int no_resume(unw_addr_space_t space, unw_cursor_t *cursor, void *arg)
{
    (void)space, (void)cursor, (void)arg;
    return -UNW_EINVAL;
}

static int no_proc_name(unw_addr_space_t space, unw_word_t address, char *name, size_t size,
                        unw_word_t *offset, void *arg)
{
    (void)space, (void)address, (void)name, (void)size, (void)offset, (void)arg;
    return -UNW_ENOINFO;
}

static int destroy(struct rw_unwinder *unwinder)
{
    if (unwinder->space)
        unw_destroy_addr_space(unwinder->space);
    return 0;
}

static struct rw_unwinder *unwinder_of(struct rw_image *image)
{
    static unw_accessors_t accessors = {
        .find_proc_info = find_proc_info,
        .put_unwind_info = put_unwind_info,
        .get_dyn_info_list_addr = no_dynamic_info,
        .access_mem = access_mem,
        .access_reg = access_reg,
        .access_fpreg = no_fpreg,
        .resume = no_resume,
        .get_proc_name = no_proc_name,
    };

    if (image->unwinder)
        return image->unwinder;
    struct rw_unwinder *unwinder = talloc_zero(image, struct rw_unwinder);
    if (!unwinder)
        return NULL;
    unwinder->space = unw_create_addr_space(&accessors, 0);
    talloc_set_destructor(unwinder, destroy);
    if (!unwinder->space) {
        talloc_free(unwinder);
        return NULL;
    }
    unw_set_cache_size(unwinder->space, CACHED_PLACES, 0);
    unw_set_caching_policy(unwinder->space, UNW_CACHE_GLOBAL);
    return image->unwinder = unwinder;
}

void rw_stack_from_capture(const struct rw_capture *capture, const uint8_t *bytes, struct rw_stack *stack)
{
    *stack = (struct rw_stack){
        .valid = capture->by == RW_CAPTURE_HANDLER ? RW_REGISTERS_ALL : RW_REGISTERS_PRESERVED,
        .address = capture->stack_address,
        .bytes = bytes,
        .length = capture->stack_length < RW_STACK_MAX ? capture->stack_length : RW_STACK_MAX,
    };
    memcpy(stack->registers, capture->registers, sizeof(stack->registers));
}

/* What the walk builds. */
struct result {
    struct rw_incident *incident;
    struct rw_frame *frames;
    size_t count;
    char *note;
};

static void add_note(struct result *result, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void add_note(struct result *result, const char *format, ...)
{
    va_list arguments;

    if (result->note)
        result->note = talloc_strdup_append(result->note, "; ");
    else
        result->note = talloc_strdup(result->incident, "");
    va_start(arguments, format);
    if (result->note)
        result->note = talloc_vasprintf_append(result->note, format, arguments);
    va_end(arguments);
}

static int add_frames(struct result *result, struct rw_symbols *symbols, uint64_t pc, bool is_return,
                      uint64_t cfa)
{
    struct rw_frame *frames;
    size_t count;

    if (rw_symbols_frames(symbols, pc, is_return, result->incident, &frames, &count) < 0)
        return -ENOMEM;
    struct rw_frame *grown =
        talloc_realloc(result->incident, result->frames, struct rw_frame, result->count + count);
    if (!grown)
        return -ENOMEM;
    result->frames = grown;
    for (size_t i = 0; i < count; i++) {
        frames[i].cfa = cfa;
        grown[result->count++] = frames[i];
    }
    talloc_free(frames);
    return 0;
}

static bool is_code(const struct rw_image *image, uint64_t address)
{
    const struct rw_mapping *mapping = rw_maps_find(image->maps, address);

    /* Threads map code while they are looked at: only what is known to be something else is refused. */
    return image->maps->count == 0 || (mapping && mapping->executable);
}

/* A handler returns to code that calls rt_sigreturn; above its frame is not a caller but what the signal
 * interrupted. libunwind's unw_is_signal_frame says so only after it has stepped, and not of frames with
 * unwind information. */
static bool is_signal_return(struct walk *walk, uint64_t ip)
{
    static const uint8_t code[] = {0x48, 0xc7, 0xc0, 0x0f, 0, 0, 0, 0x0f, 0x05}; /* mov $15,%rax; syscall */
    uint8_t here[sizeof(code)];

    return (rw_modules_read(walk->image->modules, ip, here, sizeof(here)) == 0 ||
            rw_memory_read(walk->image->memory, ip, here, sizeof(here)) == 0) &&
           memcmp(here, code, sizeof(code)) == 0;
}

/* Steps outwards until there is nothing more, or nothing to be believed. */
static int walk_frames(struct walk *walk, unw_cursor_t *cursor, struct result *result)
{
    struct rw_image *image = walk->image;
    bool is_return = false, is_by_pointer = false;
    uint64_t ip = 0, sp = 0;
    unsigned depth = 0;

    unw_get_reg(cursor, UNW_REG_IP, &ip);
    unw_get_reg(cursor, UNW_REG_SP, &sp);
    for (;;) {
        uint64_t next_ip = 0, next_sp = 0;
        bool is_signal = is_signal_return(walk, ip);

        walk->is_missing = false;
        int step = unw_step(cursor);
        unw_get_reg(cursor, UNW_REG_IP, &next_ip);
        unw_get_reg(cursor, UNW_REG_SP, &next_sp);
        bool is_guess = walk->is_missing && !is_signal;
        /* Where one stack ends, so must the frame addresses' growth; a signal's own stack may lie anywhere.
         */
        bool is_good = step > 0 && next_ip != 0 && (is_signal || next_sp > sp) && is_code(image, next_ip);
        if (add_frames(result, image->symbols, ip, is_return && !is_signal,
                       is_good && !is_signal ? next_sp : sp) < 0)
            return -ENOMEM;
        depth++;
        if (is_good && is_guess)
            is_by_pointer = true;
        if (!is_good) {
            if (is_guess)
                add_note(result, "ends at 0x%llx: no unwind information there", (unsigned long long)ip);
            else if (step < 0)
                add_note(result, "ends at 0x%llx: %s", (unsigned long long)ip, unw_strerror(step));
            else if (step > 0 && next_ip != 0)
                add_note(result, "ends at 0x%llx: what lies above is no stack", (unsigned long long)ip);
            break;
        }
        if (depth == RW_FRAMES_MAX) {
            add_note(result, "cut after %u frames", RW_FRAMES_MAX);
            break;
        }
        is_return = !is_signal;
        ip = next_ip;
        sp = next_sp;
    }
    if (is_by_pointer)
        add_note(result, "some frames were found by the frame pointer alone, for want of unwind information");
    if (walk->was_beyond && !walk->stack->is_still)
        add_note(result,
                 "the outer frames lie outside of the part of the stack that was copied, and were read after "
                 "the thread had gone on");
    return 0;
}

int rw_unwind(struct rw_image *image, const struct rw_stack *stack, struct rw_incident *incident,
              struct rw_frame **frames, size_t *count, const char **note)
{
    struct rw_unwinder *unwinder = unwinder_of(image);
    struct walk walk = {.image = image, .stack = stack};
    struct result result = {.incident = incident};
    unw_cursor_t cursor;

    *frames = NULL;
    *count = 0;
    *note = NULL;
    if (!unwinder)
        return -ENOMEM;
    int error = unw_init_remote(&cursor, unwinder->space, &walk);
    if (error < 0) {
        add_note(&result, "cannot be unwound: %s", unw_strerror(error));
        *note = result.note;
        return 0;
    }
    error = walk_frames(&walk, &cursor, &result);
    *frames = result.frames;
    *count = result.count;
    *note = result.note;
    return error;
}
