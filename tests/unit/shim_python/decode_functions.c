/* SPDX-License-Identifier: MIT */
/* Decodes every function that an ELF file exports, as it lies in the file: a line for each instruction, its
 * address and length, or "refused" and the bytes for one that the decoder does not take, where it gives the
 * function up; then a line "entry ADDRESS TAKEN" or "entry ADDRESS ERROR" with what rw_x86_move makes of its
 * first five bytes. */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
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

static void move(const uint8_t *code, size_t size, uint64_t address)
{
    /* The copy lies near the file, for distances to fit. */
    static uint8_t *room;
    const void *hint = (const void *)(((uintptr_t)code & -(uintptr_t)4096) - 0x8000000);
    if (!room)
        room =
            mmap((void *)(uintptr_t)hint, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    size_t taken = 0;
    const int error = rw_x86_move(code, size, 5, room, RW_X86_MOVED_MAX, &taken);
    if (error)
        printf("entry %lx %s\n", address, strerrorname_np(-error));
    else
        printf("entry %lx %zu\n", address, taken);
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

static int decode_file(const uint8_t *file)
{
    const Elf64_Ehdr *header = (const Elf64_Ehdr *)file;
    const Elf64_Shdr *sections = (const Elf64_Shdr *)(file + header->e_shoff);
    for (int i = 0; i < header->e_shnum; i++) {
        if (sections[i].sh_type != SHT_DYNSYM)
            continue;
        const Elf64_Sym *symbols = (const Elf64_Sym *)(file + sections[i].sh_offset);
        for (size_t s = 0; s < sections[i].sh_size / sizeof *symbols; s++) {
            const uint8_t *code = at_address(file, symbols[s].st_value, symbols[s].st_size);
            if (ELF64_ST_TYPE(symbols[s].st_info) != STT_FUNC || !symbols[s].st_size || !code)
                continue;
            decode(code, symbols[s].st_size, symbols[s].st_value);
            move(code, symbols[s].st_size, symbols[s].st_value);
        }
    }
    return 0;
}

int main(int argc, char **argv)
{
    const int fd = argc == 2 ? open(argv[1], O_RDONLY) : -1;
    struct stat status;
    if (fd < 0 || fstat(fd, &status) != 0)
        return 2;
    const uint8_t *file = mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    return file == MAP_FAILED ? 2 : decode_file(file);
}
