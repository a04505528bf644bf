/* SPDX-License-Identifier: MIT */
/*
 * Decodes the functions that an ELF file exports, as they lie in the file.
 *
 *     decode_functions FILE           all: a line "ADDRESS LENGTH" for each instruction, or "refused ADDRESS
 * BYTES..." for one that the decoder does not take, where it gives the function up decode_functions FILE
 * NAME...   those that there are of the named: a line "entry NAME TAKEN" or "entry NAME ERROR", what
 * rw_x86_move makes of the first five bytes, and "branch NAME FROM" for every place in the file's code that
 * reads as a branch into the bytes taken
 */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "shim/x86_decode.h"
#include "shim/x86_move.h"

static void decode(const uint8_t *code, size_t size, uint64_t address)
{
    struct rw_x86_instruction in;
    for (size_t at = 0; at < size; at += in.length) {
        if (rw_x86_decode(code + at, size - at, &in) != 0) {
            printf("refused %lx", address + at);
            for (size_t i = at; i < size && i < at + 12; i++)
                printf(" %02x", code[i]);
            printf("\n");
            return;
        }
        printf("%lx %u\n", address + at, in.length);
    }
}

static const uint8_t *at_address(const uint8_t *file, uint64_t address, uint64_t size)
{
    const Elf64_Ehdr *header = (const Elf64_Ehdr *)file;
    const Elf64_Phdr *segments = (const Elf64_Phdr *)(file + header->e_phoff);
    for (int i = 0; i < header->e_phnum; i++)
        if (segments[i].p_type == PT_LOAD && (segments[i].p_flags & PF_X) && address >= segments[i].p_vaddr &&
            address + size <= segments[i].p_vaddr + segments[i].p_filesz)
            return file + segments[i].p_offset + (address - segments[i].p_vaddr);
    return NULL;
}

static bool is_long_branch(const uint8_t *code)
{
    return code[0] == 0xe8 || code[0] == 0xe9 || (code[-1] == 0x0f && (code[0] & 0xf0) == 0x80);
}

static bool is_short_branch(const uint8_t *code)
{
    return (code[0] & 0xf0) == 0x70 || code[0] == 0xeb || (code[0] & 0xfc) == 0xe0;
}

/* Short branches are looked for where instructions begin, within the function; long ones at every byte there
 * is. */
static void find_branches(const uint8_t *file, const char *name, uint64_t entry, const uint8_t *function,
                          size_t size, size_t taken)
{
    struct rw_x86_instruction in;
    for (size_t at = 0; at < size && rw_x86_decode(function + at, size - at, &in) == 0; at += in.length) {
        const uint64_t target = at + in.length + (uint64_t)(int64_t)in.relative;
        if (is_short_branch(function + at) && target > 0 && target < taken)
            printf("branch %s %lx\n", name, entry + at);
    }
    const Elf64_Ehdr *header = (const Elf64_Ehdr *)file;
    const Elf64_Phdr *segments = (const Elf64_Phdr *)(file + header->e_phoff);
    for (int i = 0; i < header->e_phnum; i++) {
        if (segments[i].p_type != PT_LOAD || !(segments[i].p_flags & PF_X))
            continue;
        const uint8_t *code = file + segments[i].p_offset;
        for (size_t at = 1; at + 5 <= segments[i].p_filesz; at++) {
            int32_t distance;
            memcpy(&distance, code + at + 1, sizeof distance);
            const uint64_t target = segments[i].p_vaddr + at + 5 + (uint64_t)(int64_t)distance;
            if (is_long_branch(code + at) && target - entry - 1 < taken - 1)
                printf("branch %s %lx\n", name, segments[i].p_vaddr + at);
        }
    }
}

static void move(const uint8_t *file, const char *name, uint64_t address, const uint8_t *code, size_t size)
{
    /* The copy lies near the file, for distances to fit. */
    static uint8_t *room;
    const uintptr_t near = ((uintptr_t)code & -(uintptr_t)4096) - 0x8000000;
    if (!room)
        room = mmap((void *)near, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    size_t taken = 0;
    const int error = rw_x86_move(code, size, 5, room, RW_X86_MOVED_MAX, &taken);
    if (error) {
        printf("entry %s %s\n", name, strerrorname_np(-error));
        return;
    }
    printf("entry %s %zu\n", name, taken);
    find_branches(file, name, address, code, size, taken);
}

static bool is_named(const char *name, char **names)
{
    for (; *names; names++)
        if (strcmp(name, *names) == 0)
            return true;
    return false;
}

static int decode_file(const uint8_t *file, char **names)
{
    const Elf64_Ehdr *header = (const Elf64_Ehdr *)file;
    const Elf64_Shdr *sections = (const Elf64_Shdr *)(file + header->e_shoff);
    for (int i = 0; i < header->e_shnum; i++) {
        if (sections[i].sh_type != SHT_DYNSYM)
            continue;
        const Elf64_Sym *symbols = (const Elf64_Sym *)(file + sections[i].sh_offset);
        const char *strings = (const char *)file + sections[sections[i].sh_link].sh_offset;
        for (size_t s = 0; s < sections[i].sh_size / sizeof *symbols; s++) {
            const Elf64_Sym *symbol = &symbols[s];
            const uint8_t *code = at_address(file, symbol->st_value, symbol->st_size);
            if (ELF64_ST_TYPE(symbol->st_info) != STT_FUNC || !symbol->st_size || !code)
                continue;
            if (!*names)
                decode(code, symbol->st_size, symbol->st_value);
            else if (is_named(strings + symbol->st_name, names))
                move(file, strings + symbol->st_name, symbol->st_value, code, symbol->st_size);
        }
    }
    return 0;
}

int main(int argc, char **argv)
{
    const int fd = argc >= 2 ? open(argv[1], O_RDONLY) : -1;
    struct stat status;
    if (fd < 0 || fstat(fd, &status) != 0)
        return 2;
    const uint8_t *file = mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    return file == MAP_FAILED ? 2 : decode_file(file, argv + 2);
}
