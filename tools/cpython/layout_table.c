/* SPDX-License-Identifier: MIT */
/*
 * Layouts of 3.8 to 3.12, which carry no offsets of their own: printed by a probe compiled against each
 * version's own headers (docs/cpython.md tells how), a row each. Debug builds have the same, as far as these
 * fields go.
 */
#include "tools/cpython/layout.h"

#define NONE RW_NO_FIELD

/* The same from 3.8 to 3.12. */
#define OBJECTS                                                                                              \
    .object = {.size = 16, .type = 8}, .tuple = {.items = 24}, .dict = {.keys = 32, .values = 40},           \
    .gil = {.holder = 8, .locked = 16, .enabled = NONE}
#define STRING_WITH_WSTR .string = {.length = 16, .state = 32, .ascii = 48, .compact = 72}

/* struct _frame of 3.8 to 3.10. The two fields that moved are given. */
#define FRAME_OBJECT(lasti_at, iblock_at, stack_top_at)                                                      \
    .frame = {.size = 128,                                                                                   \
              .previous = 24,                                                                                \
              .code = 32,                                                                                    \
              .globals = 48,                                                                                 \
              .stack_top = (stack_top_at),                                                                   \
              .instruction = (lasti_at),                                                                     \
              .block_count = (iblock_at),                                                                    \
              .blocks = (iblock_at) + 8,                                                                     \
              .locals = (iblock_at) + 8 + 20 * 12,                                                           \
              .owner = NONE,                                                                                 \
              .is_entry = NONE,                                                                              \
              .tlbc_index = NONE},                                                                           \
    .generator = {.frame = 16, .state = NONE}
#define CODE_WITH_OBJECTS                                                                                    \
    .code = {.size = 128,                                                                                    \
             .filename = 104,                                                                                \
             .name = 112,                                                                                    \
             .qualname = NONE,                                                                               \
             .lines = 120,                                                                                   \
             .first_line = 40,                                                                               \
             .flags = 36,                                                                                    \
             .stack_size = 32,                                                                               \
             .local_count = 28,                                                                              \
             .local_names = 72,                                                                              \
             .free_names = 80,                                                                               \
             .cell_names = 88,                                                                               \
             .bytecode = 48,                                                                                 \
             .exceptions = NONE,                                                                             \
             .instructions = NONE,                                                                           \
             .tlbc = NONE}
#define THREAD_STATE_WITH_FRAME(cframe_at, previous_at)                                                      \
    .thread_state = {.next = 8,                                                                              \
                     .interp = 16,                                                                           \
                     .frame = 24,                                                                            \
                     .cframe = (cframe_at),                                                                  \
                     .thread_id = 176,                                                                       \
                     .id = 256,                                                                              \
                     .native_thread_id = NONE,                                                               \
                     .status = NONE},                                                                        \
    .cframe = {.frame = NONE, .previous = (previous_at)}

static const struct rw_layout rows[] = {
    {.minor = 8,
     .source = "the table's row for 3.8",
     .runtime = {.interpreters_head = 32, .finalizing = 16, .gil = 1152, .current = 1368},
     .interpreter = {.next = 0, .id = 16, .threads_head = 8, .modules = 56, .finalizing = 48, .gil = NONE},
     THREAD_STATE_WITH_FRAME(NONE, NONE),
     FRAME_OBJECT(104, 112, 72),
     CODE_WITH_OBJECTS,
     .type = {.size = 416, .name = 24, .flags = 168, .cached_keys = 872},
     OBJECTS,
     STRING_WITH_WSTR},
    {.minor = 9,
     .source = "the table's row for 3.9",
     .runtime = {.interpreters_head = 32, .finalizing = 16, .gil = 352, .current = 568},
     .interpreter = {.next = 0, .id = 24, .threads_head = 8, .modules = 856, .finalizing = 56, .gil = NONE},
     THREAD_STATE_WITH_FRAME(NONE, NONE),
     FRAME_OBJECT(104, 112, 72),
     CODE_WITH_OBJECTS,
     .type = {.size = 408, .name = 24, .flags = 168, .cached_keys = 864},
     OBJECTS,
     STRING_WITH_WSTR},
    {.minor = 10,
     .source = "the table's row for 3.10",
     .runtime = {.interpreters_head = 32, .finalizing = 16, .gil = 352, .current = 568},
     .interpreter = {.next = 0, .id = 24, .threads_head = 8, .modules = 856, .finalizing = 56, .gil = NONE},
     THREAD_STATE_WITH_FRAME(48, 8),
     FRAME_OBJECT(96, 104, 80),
     CODE_WITH_OBJECTS,
     .type = {.size = 408, .name = 24, .flags = 168, .cached_keys = 872},
     OBJECTS,
     STRING_WITH_WSTR},
    {.minor = 11,
     .source = "the table's row for 3.11",
     .runtime = {.interpreters_head = 40, .finalizing = 24, .gil = 360, .current = 576},
     .interpreter = {.next = 0, .id = 48, .threads_head = 16, .modules = 888, .finalizing = 84, .gil = NONE},
     .thread_state = {.next = 8,
                      .interp = 16,
                      .frame = 56,
                      .cframe = NONE,
                      .thread_id = 152,
                      .native_thread_id = 160,
                      .id = 240,
                      .status = NONE},
     .cframe = {.frame = 8, .previous = 16},
     .frame = {.size = 72,
               .code = 32,
               .globals = 8,
               .previous = 48,
               .instruction = 56,
               .is_entry = 68,
               .owner = 69,
               .locals = 72,
               .stack_top = 64,
               .block_count = NONE,
               .blocks = NONE,
               .tlbc_index = NONE},
     .generator = {.frame = 80, .state = 75},
     .code = {.size = 192,
              .exceptions = 40,
              .flags = 48,
              .stack_size = 68,
              .first_line = 72,
              .local_count = 76,
              .local_names = 96,
              .filename = 112,
              .name = 120,
              .qualname = 128,
              .lines = 136,
              .instructions = 184,
              .cell_names = NONE,
              .free_names = NONE,
              .bytecode = NONE,
              .tlbc = NONE},
     .type = {.size = 408, .name = 24, .flags = 168, .cached_keys = 872},
     OBJECTS,
     STRING_WITH_WSTR},
    {.minor = 12,
     .source = "the table's row for 3.12",
     .runtime = {.interpreters_head = 40, .finalizing = 24, .gil = NONE, .current = NONE},
     .interpreter = {.next = 0, .id = 8, .threads_head = 72, .modules = 944, .finalizing = 44, .gil = 384},
     .thread_state = {.next = 8,
                      .interp = 16,
                      .frame = 56,
                      .cframe = NONE,
                      .thread_id = 136,
                      .native_thread_id = 144,
                      .id = 224,
                      .status = NONE},
     .cframe = {.frame = 0, .previous = 8},
     .frame = {.size = 72,
               .code = 0,
               .previous = 8,
               .globals = 24,
               .instruction = 56,
               .owner = 70,
               .locals = 72,
               .is_entry = NONE,
               .stack_top = 64,
               .block_count = NONE,
               .blocks = NONE,
               .tlbc_index = NONE},
     .generator = {.frame = 72, .state = 67},
     .code = {.size = 192,
              .exceptions = 40,
              .flags = 48,
              .stack_size = 64,
              .first_line = 68,
              .local_count = 72,
              .local_names = 96,
              .filename = 112,
              .name = 120,
              .qualname = 128,
              .lines = 136,
              .instructions = 192,
              .cell_names = NONE,
              .free_names = NONE,
              .bytecode = NONE,
              .tlbc = NONE},
     .type = {.size = 416, .name = 24, .flags = 168, .cached_keys = 880},
     OBJECTS,
     .string = {.length = 16, .state = 32, .ascii = 40, .compact = 56}},
};

const struct rw_layout *rw_layout_row(unsigned minor)
{
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (rows[i].minor == minor)
            return &rows[i];
    return NULL;
}
