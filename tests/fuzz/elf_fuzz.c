/* SPDX-License-Identifier: MIT */
/*
 * ELF and DWARF of anybody's, by way of libelf, libdw and libunwind: a process that is gone has mapped a
 * library that is spoilt. Inputs are patches (fuzz.h) of subject.so, which lies beside this program.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <talloc.h>
#include <unistd.h>

#include "tests/fuzz/fuzz.h"
#include "tools/incident/model.h"
#include "tools/snapshot/image.h"
#include "tools/snapshot/unwind.h"

#define LOADED UINT64_C(0x7f0000000000)
#define STACK UINT64_C(0x7ffe00000000)

const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
    return "leak:libdw.so"; /* libdw 0.188 loses some memory with each module */
}

struct subject {
    struct fuzz_patched file;
    const char *path, *maps;
    uint64_t size;
};

static void open_subject(struct subject *subject)
{
    char name[4096];
    ssize_t length = readlink("/proc/self/exe", name, sizeof(name) - 16);
    while (length > 0 && name[length - 1] != '/')
        length--;
    strcpy(name + (length > 0 ? length : 0), "subject.so");
    int fd = open(name, O_RDONLY | O_CLOEXEC);
    struct stat status;
    if (fd < 0 || fstat(fd, &status) != 0) {
        perror(name);
        abort();
    }
    uint8_t *bytes = malloc((size_t)status.st_size);
    if (bytes == NULL || read(fd, bytes, (size_t)status.st_size) != status.st_size)
        abort();
    close(fd);
    subject->size = (uint64_t)status.st_size;
    subject->path = fuzz_patched_open(&subject->file, "subject.so", bytes, subject->size);
    if (stat(subject->path, &status) != 0)
        abort();
    /* As one mapping: the offsets of the segments do not matter, since addresses are asked for all over. */
    static char maps[8192];
    int used = snprintf(maps, sizeof(maps),
                        "%lx-%lx r--p 00000000 fd:00 %lu %s\n%lx-%lx r-xp 00001000 fd:00 %lu %s\n", LOADED,
                        LOADED + 0x1000, status.st_ino, subject->path, LOADED + 0x1000, LOADED + 0x100000,
                        status.st_ino, subject->path);
    static struct fuzz_patched maps_file;
    subject->maps = fuzz_patched_open(&maps_file, "subject.maps", (const uint8_t *)maps, (size_t)used);
}

static void ask(struct rw_image *image, struct rw_incident *incident)
{
    for (uint64_t at = 0x1000; at < 0x1400; at += 0x40) {
        struct rw_frame *frames;
        const char *object, *module;
        size_t count;
        rw_symbols_frames(image->symbols, LOADED + at, true, incident, &frames, &count);
        rw_symbols_data(image->symbols, LOADED + at, incident, &object, &module);
    }
    uint64_t address, size;
    rw_symbols_address_of(image->symbols, "subject_entry");
    rw_symbols_address_in(image->symbols, "subject", "subject_data");
    rw_symbols_section(image->symbols, NULL, ".eh_frame", &address, &size);

    static uint64_t bytes[512];
    for (size_t i = 0; i < sizeof(bytes) / sizeof(bytes[0]); i++)
        bytes[i] = i % 3 ? LOADED + 0x1000 + i * 7 % 0x400 : STACK + i * 8;
    struct rw_stack stack = {.valid = RW_REGISTERS_ALL,
                             .address = STACK,
                             .bytes = (const uint8_t *)bytes,
                             .length = sizeof(bytes)};
    for (unsigned i = 0; i < RW_REGISTER_COUNT; i++)
        stack.registers[i] = STACK + 64;
    stack.registers[7] = STACK;
    stack.registers[16] = LOADED + 0x1120;
    struct rw_frame *frames;
    const char *note;
    size_t count;
    rw_unwind(image, &stack, incident, &frames, &count, &note);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static struct subject subject;
    if (subject.path == NULL)
        open_subject(&subject);
    fuzz_patch(&subject.file, bytes, size);
    struct rw_incident *incident = rw_incident_new(NULL);
    struct rw_image *image;
    if (rw_image_saved(incident, 77, subject.maps, &image) == 0)
        ask(image, incident);
    talloc_free(incident);
    fuzz_unpatch(&subject.file, bytes, size);
    return 0;
}
