/* SPDX-License-Identifier: MIT */
#include "shim/python_hooks.h"

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "shim/dlsym_watch.h"
#include "shim/elf_module.h"
#include "shim/entry_patch.h"
#include "shim/got_patch.h"
#include "shim/lock_order.h"
#include "shim/lock_pipes.h"
#include "shim/perturb.h"
#include "shim/python_api.h"
#include "shim/python_calls.h"
#include "shim/python_lines.h"
#include "shim/python_locks.h"
#include "shim/python_queues.h"
#include "shim/real.h"
#include "shim/recorder.h"
#include "shim/serial_select.h"

/* What every Python that has one of the other functions has, and nothing else. */
static const char landmark[] = "Py_FinalizeEx";

enum { ABSENT = 0, INSTALLING, INSTALLED };
static int state;

/* The functions whose entry is not patched: seen where a module calls them through its tables. */
static struct rw_got_patch got_patches[RW_HOOK_COUNT];

struct opened {
    uintptr_t base;
    int result;
    bool has_queues;
};

static int patch_opened_module(struct dl_phdr_info *info, size_t size, void *argument)
{
    (void)size;
    struct opened *opened = argument;
    if (info->dlpi_addr != opened->base)
        return 0;
    struct rw_elf_module module;
    if (!rw_elf_module_open(&module, info))
        return 1;
    opened->result = rw_got_patch(&module, got_patches, RW_HOOK_COUNT);
    if (opened->has_queues)
        rw_python_queues_install(&module);
    if (rw_lock_order_on)
        rw_lock_pipes_see(&module);
    if (rw_perturb_mode == RW_PERTURB_SERIAL)
        rw_serial_select_see(&module);
    return 1;
}

/* Python asks for the initialiser of an extension module that it has loaded and not yet run. */
static void extension_module_comes(void *handle, const char *name)
{
    if (strncmp(name, "PyInit_", 7) != 0 || !handle || handle == RTLD_NEXT)
        return;
    /* In glibc a handle of dlopen is the module's link_map, and dlsym takes it for one unasked, as is done
     * here. */
    struct opened opened = {((const struct link_map *)handle)->l_addr, 0, strcmp(name, "PyInit__queue") == 0};
    dl_iterate_phdr(patch_opened_module, &opened);
    if (opened.result < 0)
        rw_record_problem(-opened.result, name + 7,
                          "its calls that make and destroy interpreters are not seen");
}

static const char *reason(int error)
{
    switch (error) {
    case -EILSEQ:
        return "entry not patched, its code cannot be moved; only calls from other modules are seen";
    case -ELOOP:
        return "entry not patched, something branches into it; only calls from other modules are seen";
    case -EACCES:
    case -EPERM:
        return "entry not patched, a policy forbids to change code; only calls from other modules are seen";
    case -EBUSY:
        return "entry not patched, Python was loaded when there were threads; only calls from other modules "
               "are seen";
    default:
        return "entry not patched; only calls from other modules are seen";
    }
}

struct found {
    struct rw_entry_patch patches[RW_HOOK_COUNT];
    enum rw_hook hooks[RW_HOOK_COUNT];
    size_t count;
};

static void find_functions(const struct rw_elf_module *module, struct found *found)
{
    found->count = 0;
    for (enum rw_hook hook = 0; hook < RW_HOOK_COUNT; hook++) {
        struct rw_entry_patch *patch = &found->patches[found->count];
        *patch = (struct rw_entry_patch){.replacement = rw_python_calls[hook].replacement, .error = -EBUSY};
        if (rw_elf_module_function(module, rw_python_calls[hook].name, &patch->function))
            found->hooks[found->count++] = hook;
    }
}

/* Sees what was not patched through the tables of the modules; says for each function how it is seen. */
static void settle(const struct found *found)
{
    bool falls_back = false;
    for (size_t i = 0; i < found->count; i++) {
        const struct rw_entry_patch *patch = &found->patches[i];
        const enum rw_hook hook = found->hooks[i];
        if (patch->original) {
            rw_python_originals[hook] = patch->original;
            rw_record_hook(hook, RW_HOOK_ENTRY);
            continue;
        }
        falls_back = true;
        rw_python_originals[hook] = (void *)patch->function.address;
        got_patches[hook] =
            (struct rw_got_patch){rw_python_calls[hook].name, rw_python_calls[hook].replacement};
        rw_record_problem(-patch->error, rw_python_calls[hook].name, reason(patch->error));
    }
    const int failure = falls_back ? rw_got_patch_loaded(got_patches, RW_HOOK_COUNT) : 0;
    if (failure)
        rw_record_problem(-failure, "calls of interpreter functions",
                          "pointers of a module could not be changed");
    for (size_t i = 0; i < found->count; i++)
        if (!found->patches[i].original)
            rw_record_hook(found->hooks[i], failure ? RW_HOOK_FAILED : RW_HOOK_GOT);
    rw_dlsym_watch(falls_back || rw_lock_order_on ? extension_module_comes : NULL);
}

static void install(const struct rw_elf_module *module, bool may_change_code)
{
    struct found found;
    rw_python_api_load(module);
    find_functions(module, &found);
    if (may_change_code)
        rw_entry_patch(module, found.patches, found.count);
    settle(&found);
    rw_python_locks_install(module);
    rw_python_lines_install(module);
    __atomic_store_n(&state, INSTALLED, __ATOMIC_RELEASE);
}

/*
 * A program that loads Python with dlopen asks for its functions by name next. If it has no second thread
 * yet, code may be changed still: the bytes that the jump takes are none that this thread could return to.
 */
static void python_may_have_come(void *handle, const char *name)
{
    (void)handle, (void)name;
    struct rw_elf_module module;
    int absent = ABSENT;
    if (rw_elf_module_defining(landmark, &module) &&
        __atomic_compare_exchange_n(&state, &absent, INSTALLING, 0, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
        install(&module, *rw_is_single_threaded);
}

void rw_python_hooks_install(void)
{
    struct rw_elf_module module;
    if (rw_elf_module_defining(landmark, &module)) {
        state = INSTALLING;
        install(&module, true);
    } else {
        rw_dlsym_watch(python_may_have_come);
    }
}

void rw_python_creator_interpreter(const void *return_address, uint64_t *interpreter, uint64_t *id)
{
    const struct rw_python_thread_state *current = rw_python_current((uintptr_t)return_address);
    *interpreter = current ? (uintptr_t)current->interpreter : 0;
    *id = current ? rw_python_interpreter_id(current->interpreter) : RW_INTERPRETER_ID_UNKNOWN;
    if (current)
        rw_python_note_main(current->interpreter, *id);
}

bool rw_python_is_attached(void)
{
    return rw_python_current(0) != NULL;
}

void *rw_python_give_up(void)
{
    return rw_python_detach();
}

void rw_python_take_back(void *given_up)
{
    rw_python_attach(given_up);
}

bool rw_python_is_there(void)
{
    return __atomic_load_n(&state, __ATOMIC_RELAXED) != ABSENT;
}
