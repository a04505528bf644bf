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

/* Offsets in bytes: of the frame in the thread state (3.11 and 3.12: of the cframe, and of the frame in
 * that), of code and instruction in the frame. Up to 3.10 the instruction is an int. */
struct fields {
    uint32_t state_frame, cframe_frame, frame_code, frame_instruction;
};

static const struct {
    uint32_t minor;
    struct fields fields;
} table[] = {
    {8, {24, NONE, 32, 104}}, {9, {24, NONE, 32, 104}}, {10, {24, NONE, 32, 96}},
    {11, {56, 8, 32, 56}},    {12, {56, 0, 0, 56}},
};

/* From 3.13, the same as words of _Py_DebugOffsets behind its cookie, version and flag (3.13:
 * Include/internal/ pycore_runtime.h, later pycore_debug_offsets.h). A version that is not listed is tried
 * with the newest. */
#define DEBUG_COOKIE "xdebugpy"
#define DEBUG_FIRST 24u
static const struct {
    uint32_t minor;
    uint32_t state_frame, frame_code, frame_instruction;
} words[] = {{13, 20, 27, 28}, {14, 23, 30, 31}, {15, 23, 38, 39}};

enum verdict { UNTRIED = 0, GOOD, BAD };

static struct {
    uint32_t minor;
    struct fields fields;
    uint32_t object_type; /* offset of ob_type: 8, free-threaded 24 */
    uintptr_t code_type;  /* &PyCode_Type */
    int verdict;          /* enum verdict; atomic */
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
    python.fields =
        (struct fields){word(offsets, words[row].state_frame), NONE, word(offsets, words[row].frame_code),
                        word(offsets, words[row].frame_instruction)};
    uint64_t is_free_threaded;
    memcpy(&is_free_threaded, offsets + 16, sizeof is_free_threaded);
    python.object_type = is_free_threaded ? 24 : 8;
    return python.fields.state_frame < 4096 && python.fields.frame_code < 256 &&
           python.fields.frame_instruction < 256;
}

static bool from_table(uint32_t minor)
{
    python.object_type = 8;
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        if (table[i].minor == minor) {
            python.fields = table[i].fields;
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
    python.minor = minor_of(module);
    python.code_type = rw_elf_data_defining("PyCode_Type");
    bool is_known = false;
    if (python.minor <= 12)
        is_known = from_table(python.minor);
    else if (runtime && memcmp((const void *)runtime, DEBUG_COOKIE, sizeof DEBUG_COOKIE - 1) == 0)
        is_known = from_debug_offsets((const unsigned char *)runtime, python.minor);
    is_known = is_known && python.code_type;
    if (!is_known)
        rw_record_problem(0, "lock_owners", "the lines that take locks are not known in this Python");
    __atomic_store_n(&python.verdict, is_known ? UNTRIED : BAD, __ATOMIC_RELEASE);
}

static uintptr_t here(uintptr_t address)
{
    return *(const uintptr_t *)address;
}

/* The same by way of the kernel; 0 where there is nothing to be read. */
static uintptr_t carefully(uintptr_t address)
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
    return code && read(code + python.object_type) == python.code_type ? code : 0;
}

/* A thread that has no frame yet decides nothing. A program that confined itself is asked nothing. */
static enum verdict try(uintptr_t state)
{
    static int tries;
    uintptr_t frame;
    if (rw_is_confined)
        return UNTRIED;
    if (code_of_frame(carefully, state, &frame))
        return GOOD;
    if (frame == 0 && __atomic_add_fetch(&tries, 1, __ATOMIC_RELAXED) < TRIES_MAX)
        return UNTRIED;
    rw_record_problem(0, "lock_owners",
                      "the lines that take locks are not known: no frame where this Python should have one");
    return BAD;
}

struct rw_python_place rw_python_place(void)
{
    struct rw_python_place place = {0, 0};
    enum verdict verdict = (enum verdict)__atomic_load_n(&python.verdict, __ATOMIC_ACQUIRE);
    const uintptr_t state = verdict == BAD ? 0 : (uintptr_t)rw_python_attached();
    if (!state)
        return place;
    if (verdict == UNTRIED) {
        verdict = try(state);
        __atomic_store_n(&python.verdict, verdict, __ATOMIC_RELEASE);
    }
    uintptr_t frame;
    if (verdict != GOOD || !(place.code = code_of_frame(here, state, &frame)))
        return place;
    place.instruction = here(frame + python.fields.frame_instruction);
    if (python.minor <= 10)
        place.instruction = (uint32_t)place.instruction;
    return place;
}
