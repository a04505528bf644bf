/* SPDX-License-Identifier: MIT */
#include "shim/python_place.h"

#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <sys/uio.h>

#include "shim/python_api.h"
#include "shim/raw.h"
#include "shim/recorder.h"
#include "shim/self.h"

#define NONE UINT32_MAX
#define TRIES_MAX 100
#define STEPS_MAX 4u /* frames between two functions: the interpreter's own */

static const struct rw_python_fields table[] = {
    {8, 24, NONE, 32, 104, 24, 104, 112, 0, 8, 0}, {9, 24, NONE, 32, 104, 24, 104, 112, 0, 8, 0},
    {10, 24, NONE, 32, 96, 24, 104, 112, 0, 8, 0}, {11, 56, 8, 32, 56, 48, 112, 128, 184, 8, 0},
    {12, 56, 0, 0, 56, 8, 112, 128, 192, 8, 0},
};

/* From 3.13, the same as words of _Py_DebugOffsets behind its cookie, version and flag (3.13:
 * Include/internal/ pycore_runtime.h, later pycore_debug_offsets.h). A version that is not listed is tried
 * with the newest. */
#define DEBUG_COOKIE "xdebugpy"
#define DEBUG_FIRST 24u
static const struct {
    uint32_t minor;
    uint32_t state_frame, frame_code, code_filename, code_instructions;
} words[] = {{13, 20, 27, 32, 40}, {14, 23, 30, 37, 45}, {15, 23, 38, 45, 53}};

enum verdict { UNTRIED = 0, GOOD, BAD };

static struct {
    struct rw_python_fields fields;
    int verdict; /* enum verdict; atomic */
} python = {.verdict = BAD};

static uint32_t word(const unsigned char *offsets, uint32_t index)
{
    uint64_t value;
    memcpy(&value, offsets + DEBUG_FIRST + index * sizeof value, sizeof value);
    return value < 65536 ? (uint32_t)value : NONE;
}

/* Thread states and frames are some hundred bytes long: what lies further away is no field. */
static bool from_debug_offsets(const unsigned char *offsets, uint32_t minor)
{
    size_t row = sizeof words / sizeof words[0] - 1;
    while (row > 0 && words[row].minor > minor)
        row--;
    uint64_t is_free_threaded;
    memcpy(&is_free_threaded, offsets + 16, sizeof is_free_threaded);
    python.fields = (struct rw_python_fields){
        .minor = minor,
        .state_frame = word(offsets, words[row].state_frame),
        .cframe_frame = NONE,
        .frame_previous = word(offsets, words[row].frame_code - 1),
        .frame_code = word(offsets, words[row].frame_code),
        .frame_instruction = word(offsets, words[row].frame_code + 1),
        .code_filename = word(offsets, words[row].code_filename),
        .code_name = word(offsets, words[row].code_filename + 2),
        .code_instructions = word(offsets, words[row].code_instructions),
        .object_type = is_free_threaded ? 24 : 8,
    };
    return python.fields.state_frame < 4096 && python.fields.frame_code < 256 &&
           python.fields.frame_instruction < 256;
}

static bool from_table(uint32_t minor)
{
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        if (table[i].minor == minor) {
            python.fields = table[i];
            return true;
        }
    }
    return false;
}

/* Py_GetVersion may be called at any time: "3.11.2 (main, ...". */
static uint32_t minor_of(const struct rw_elf_module *module)
{
    struct rw_elf_function get;
    if (!rw_elf_module_function(module, "Py_GetVersion", &get))
        return 0;
    const char *version = ((const char *(*)(void))get.address)();
    uint32_t minor = 0;
    if (!version || strncmp(version, "3.", 2) != 0)
        return 0;
    for (const char *c = version + 2; *c >= '0' && *c <= '9' && minor < 100; c++)
        minor = minor * 10 + (uint32_t)(*c - '0');
    return minor;
}

void rw_python_place_load(const struct rw_elf_module *module)
{
    const uintptr_t runtime = rw_elf_module_data(module, "_PyRuntime");
    const uint32_t minor = minor_of(module);
    bool is_known = false;
    if (minor <= 12)
        is_known = from_table(minor);
    else if (runtime && memcmp((const void *)runtime, DEBUG_COOKIE, sizeof DEBUG_COOKIE - 1) == 0)
        is_known = from_debug_offsets((const unsigned char *)runtime, minor);
    python.fields.code_type = rw_elf_data_defining("PyCode_Type");
    is_known = is_known && python.fields.code_type;
    if (!is_known)
        rw_record_problem(0, "places of locks", "the lines that take locks are not known in this Python");
    __atomic_store_n(&python.verdict, is_known ? UNTRIED : BAD, __ATOMIC_RELEASE);
}

const struct rw_python_fields *rw_python_fields(void)
{
    return __atomic_load_n(&python.verdict, __ATOMIC_ACQUIRE) == BAD ? NULL : &python.fields;
}

static uintptr_t here(uintptr_t address)
{
    return *(const uintptr_t *)address;
}

uintptr_t rw_python_read_carefully(uintptr_t address)
{
    uintptr_t value = 0;
    struct iovec to = {&value, sizeof value}, from = {(void *)address, sizeof value};
    long got = rw_raw6(SYS_process_vm_readv, rw_raw0(SYS_getpid), (long)&to, 1, (long)&from, 1, 0);
    return got == (long)sizeof value ? value : 0;
}

/* The frame's code, and the frame; 0 where there is none. From 3.14 a reference carries two bits of its own.
 */
static inline uintptr_t code_of_frame(uintptr_t (*read)(uintptr_t), uintptr_t state, uintptr_t *frame)
{
    *frame = read(state + python.fields.state_frame);
    if (*frame && python.fields.cframe_frame != NONE)
        *frame = read(*frame + python.fields.cframe_frame);
    const uintptr_t code = *frame ? read(*frame + python.fields.frame_code) & ~(uintptr_t)3 : 0;
    return code && read(code + python.fields.object_type) == python.fields.code_type ? code : 0;
}

/* A thread that has no frame yet decides nothing. A program that confined itself is asked nothing. */
static enum verdict try(uintptr_t state)
{
    static int tries;
    uintptr_t frame;
    if (rw_is_confined)
        return UNTRIED;
    if (code_of_frame(rw_python_read_carefully, state, &frame))
        return GOOD;
    if (frame == 0 && __atomic_add_fetch(&tries, 1, __ATOMIC_RELAXED) < TRIES_MAX)
        return UNTRIED;
    rw_record_problem(0, "places of locks",
                      "the lines that take locks are not known: no frame where this Python should have one");
    return BAD;
}

/* The thread's state, once it is known that frames are found through it; else 0. */
static uintptr_t state_with_frames(void)
{
    enum verdict verdict = (enum verdict)__atomic_load_n(&python.verdict, __ATOMIC_ACQUIRE);
    const uintptr_t state = verdict == BAD ? 0 : (uintptr_t)rw_python_attached();
    if (state && verdict == UNTRIED) {
        verdict = try(state);
        __atomic_store_n(&python.verdict, verdict, __ATOMIC_RELEASE);
    }
    return verdict == GOOD ? state : 0;
}

struct rw_python_place rw_python_place(void)
{
    struct rw_python_place place = {0, 0};
    const uintptr_t state = state_with_frames();
    uintptr_t frame;
    if (!state || !(place.code = code_of_frame(here, state, &frame)))
        return place;
    place.instruction = here(frame + python.fields.frame_instruction);
    if (python.fields.minor <= 10)
        place.instruction = (uint32_t)place.instruction;
    return place;
}

/* 3.12 has a code object of its own between Python and C (_Py_MakeShimCode in Objects/codeobject.c), whose
 * file is "<shim>". */
static bool is_trampoline(uintptr_t code)
{
    if (python.fields.minor != 12 || rw_python_text_type() == 0)
        return false;
    void *file = (void *)here(code + python.fields.code_filename);
    return rw_python_text_length(file) == 6 && rw_python_text_character(file, 0) == '<' &&
           rw_python_text_character(file, 2) == 'h';
}

uint64_t rw_python_functions(void)
{
    const uintptr_t state = state_with_frames();
    uintptr_t frame, inner = state ? code_of_frame(here, state, &frame) : 0;
    for (uint32_t step = 0; inner && step < STEPS_MAX; step++) {
        frame = here(frame + python.fields.frame_previous);
        if (!frame)
            break;
        const uintptr_t code = here(frame + python.fields.frame_code) & ~(uintptr_t)3;
        if (code && here(code + python.fields.object_type) == python.fields.code_type && !is_trampoline(code))
            return inner * UINT64_C(0x9e3779b97f4a7c15) + code;
    }
    return inner;
}
