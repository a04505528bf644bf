/* SPDX-License-Identifier: MIT */
#include "shim/vdso.h"

#include <elf.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/auxv.h>

#include "shim/text.h"

/* The image is the kernel's, linked at 0 (arch/x86/entry/vdso/vdso-layout.lds.S): .dynsym, and .dynstr right
 * behind it, which is where the symbols end. */
struct image {
    const char *base;
    const Elf64_Sym *symbols;
    const char *strings;
};

static const void *symbol_address(const struct image *image, const char *name)
{
    const Elf64_Sym *end = (const Elf64_Sym *)image->strings;
    for (const Elf64_Sym *symbol = image->symbols; symbol + 1 <= end; symbol++) {
        if (symbol->st_shndx != SHN_UNDEF && rw_text_equal(image->strings + symbol->st_name, name))
            return image->base + symbol->st_value;
    }
    return NULL;
}

rw_clock_gettime_fn *rw_vdso_clock_gettime(void)
{
    struct image image = {.base = (const char *)getauxval(AT_SYSINFO_EHDR)};
    if (!image.base)
        return NULL;
    const Elf64_Ehdr *header = (const Elf64_Ehdr *)image.base;
    const Elf64_Phdr *program = (const Elf64_Phdr *)(image.base + header->e_phoff);
    const Elf64_Dyn *dynamic = NULL;
    for (unsigned i = 0; i < header->e_phnum; i++) {
        if (program[i].p_type == PT_DYNAMIC)
            dynamic = (const Elf64_Dyn *)(image.base + program[i].p_offset);
    }
    for (; dynamic && dynamic->d_tag != DT_NULL; dynamic++) {
        if (dynamic->d_tag == DT_SYMTAB)
            image.symbols = (const Elf64_Sym *)(image.base + dynamic->d_un.d_ptr);
        if (dynamic->d_tag == DT_STRTAB)
            image.strings = image.base + dynamic->d_un.d_ptr;
    }
    if (!image.symbols || !image.strings || (const char *)image.symbols > image.strings)
        return NULL;
    return (rw_clock_gettime_fn *)symbol_address(&image, "__vdso_clock_gettime");
}
