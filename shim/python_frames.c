/* SPDX-License-Identifier: MIT */
/*
 * The innermost Python frames of the calling thread, with names and lines: for what is told only when the
 * process is gone, and its code objects with it. python_place.h says how frames are found.
 *
 * A thread that gave up the GIL keeps its frames, and they are its own: nobody else changes them. But its
 * thread state may have been taken from it, where the interpreter ends; so words are read by way of the
 * kernel then, and not once the end has begun.
 */
#include "shim/python_hooks.h"

#include <stddef.h>

#include "shim/python_api.h"
#include "shim/python_place.h"
#include "shim/recording_file.h"
#include "shim/self.h"
#include "shim/text.h"

#define STEPS_MAX 8u /* frames looked at: some belong to the interpreter itself */
#define OBJECT_TYPE_WITH_GIL 8u
#define UNKNOWN_OFFSET (1 << 24)

static uintptr_t at_once(uintptr_t address)
{
    return *(const uintptr_t *)address;
}

struct reader {
    const struct rw_python_fields *fields;
    uintptr_t (*read)(uintptr_t);
    uintptr_t text_type; /* &PyUnicode_Type */
};

/* The thread's own state; 0: none. */
static uintptr_t find_state(struct reader *reader, bool has_gil)
{
    uintptr_t state = has_gil || rw_python_attached_is_own() ? (uintptr_t)rw_python_attached() : 0;
    if (state) {
        reader->read = at_once;
        return state;
    }
    if (reader->fields->object_type != OBJECT_TYPE_WITH_GIL || rw_is_confined ||
        rw_header->finalize_begin_ns != 0)
        return 0;
    reader->read = rw_python_read_carefully;
    return (uintptr_t)rw_python_registered();
}

/* The end of the text, where it is longer than the buffer. Characters as UTF-8 has them. */
static void copy_text(const struct reader *reader, uintptr_t text, char *buffer, size_t size)
{
    size_t length = 0;
    buffer[0] = '\0';
    if (!text || reader->read(text + reader->fields->object_type) != reader->text_type)
        return;
    const int64_t count = rw_python_text_length((void *)text), room = (int64_t)size / 4;
    /* One byte for each where all is ASCII, as names mostly are; else there is room for four. */
    bool is_ascii = true;
    for (int64_t i = 0; i < count && is_ascii; i++)
        is_ascii = rw_python_text_character((void *)text, i) < 128;
    const int64_t shown = is_ascii ? (int64_t)size - 1 : room - 1;
    for (int64_t i = count > shown ? count - shown : 0; i < count; i++) {
        uint32_t c = rw_python_text_character((void *)text, i);
        if (c < 0x80) {
            buffer[length++] = (char)c;
            continue;
        }
        if (c >= 0x10000) {
            buffer[length++] = (char)(0xf0 | c >> 18);
            buffer[length++] = (char)(0x80 | (c >> 12 & 63));
        } else if (c >= 0x800) {
            buffer[length++] = (char)(0xe0 | c >> 12);
        } else {
            buffer[length++] = (char)(0xc0 | c >> 6);
        }
        if (c >= 0x800)
            buffer[length++] = (char)(0x80 | (c >> 6 & 63));
        buffer[length++] = (char)(0x80 | (c & 63));
    }
    buffer[length] = '\0';
}

/* PyCode_Addr2Line's unit is a byte of the instructions; 3.10 counts them, later versions point at them. */
static int offset_of(const struct reader *reader, uintptr_t frame, uintptr_t code)
{
    const struct rw_python_fields *fields = reader->fields;
    uintptr_t instruction = reader->read(frame + fields->frame_instruction);
    if (fields->minor <= 9)
        return (int32_t)(uint32_t)instruction;
    if (fields->minor == 10)
        return (int32_t)(uint32_t)instruction * 2;
    uintptr_t offset = instruction - (code + fields->code_instructions);
    return offset < UNKNOWN_OFFSET ? (int)offset : UNKNOWN_OFFSET;
}

static void describe(const struct reader *reader, uintptr_t frame, uintptr_t code, struct rw_lock_frame *to)
{
    int offset = offset_of(reader, frame, code);
    copy_text(reader, reader->read(code + reader->fields->code_filename), to->file, sizeof to->file);
    copy_text(reader, reader->read(code + reader->fields->code_name), to->function, sizeof to->function);
    to->line = offset < UNKNOWN_OFFSET ? rw_python_line((void *)code, offset) : 0;
}

/* The interpreter's own frames have the same text for file and function, or are of 3.12's "<shim>". */
static bool is_own_code(const struct rw_lock_frame *frame)
{
    return frame->file[0] != '\0' && !rw_text_equal(frame->file, "<shim>") &&
           !(frame->file[0] == '<' && rw_text_equal(frame->file, frame->function));
}

uint32_t rw_python_frames(bool has_gil, struct rw_lock_frame *frames, uint32_t max)
{
    struct reader reader = {.fields = rw_python_fields(), .text_type = rw_python_text_type()};
    const uintptr_t state = reader.fields && reader.text_type ? find_state(&reader, has_gil) : 0;
    if (!state)
        return 0;
    uintptr_t frame = reader.read(state + reader.fields->state_frame);
    if (frame && reader.fields->minor >= 11 && reader.fields->minor <= 12)
        frame = reader.read(frame + reader.fields->cframe_frame);
    uint32_t count = 0;
    for (uint32_t step = 0; frame && step < STEPS_MAX && count < max; step++) {
        /* From 3.14 a reference carries two bits of its own. */
        uintptr_t code = reader.read(frame + reader.fields->frame_code) & ~(uintptr_t)3;
        if (code && reader.read(code + reader.fields->object_type) == reader.fields->code_type) {
            describe(&reader, frame, code, &frames[count]);
            count += is_own_code(&frames[count]);
        }
        frame = reader.read(frame + reader.fields->frame_previous);
    }
    return count;
}
