/* SPDX-License-Identifier: MIT */
#include "tools/snapshot/frame_table.h"

#include <dwarf.h>
#include <elfutils/libdw.h>
#include <stdlib.h>
#include <string.h>
#include <talloc.h>

/* In the kernel's half of the address space; 4 GiB a module. */
#define MADE_TABLES UINT64_C(0xffffc00000000000)
#define MADE_TABLE_SHIFT 32

struct entry {
    int32_t start; /* of the code, from the table's base */
    int32_t fde;   /* of its description, likewise */
};

struct rw_made_table {
    size_t count;
    struct entry *entries;
};

/* The header of .eh_frame_hdr: version, three encodings, pointer, count; then pairs of 4-byte offsets. All
 * linkers write these encodings; others (none known on x86-64) are left alone. */
static bool use_linkers_table(struct rw_image *image, struct rw_module *module)
{
    struct {
        uint8_t version, pointer_encoding, count_encoding, table_encoding;
        int32_t pointer;
        uint32_t count;
    } header;

    if (!module->eh_frame_hdr || module->eh_frame_hdr_size < sizeof(header))
        return false;
    if (rw_modules_read(image->modules, module->eh_frame_hdr, &header, sizeof(header)) < 0 &&
        rw_memory_read(image->memory, module->eh_frame_hdr, &header, sizeof(header)) < 0)
        return false;
    if (header.version != 1 || (header.pointer_encoding & 0x07) != DW_EH_PE_udata4 ||
        header.count_encoding != DW_EH_PE_udata4 ||
        header.table_encoding != (DW_EH_PE_datarel | DW_EH_PE_sdata4) || header.count == 0 ||
        header.count > (module->eh_frame_hdr_size - sizeof(header)) / sizeof(struct entry))
        return false;
    module->table_base = module->eh_frame_hdr;
    module->table_address = module->eh_frame_hdr + sizeof(header);
    module->table_entries = header.count;
    return true;
}

/* How the code addresses of this CIE's descriptions are written; DW_EH_PE_omit where that cannot be told. */
static uint8_t code_encoding(const Dwarf_CIE *cie)
{
    const uint8_t *data = cie->augmentation_data, *end = data + cie->augmentation_data_size;
    static const uint8_t sizes[16] = {[DW_EH_PE_absptr] = 8,
                                      [DW_EH_PE_udata4] = 4,
                                      [DW_EH_PE_udata8] = 8,
                                      [DW_EH_PE_sdata4] = 4,
                                      [DW_EH_PE_sdata8] = 8};

    if (cie->augmentation[0] == '\0')
        return DW_EH_PE_absptr;
    for (const char *letter = cie->augmentation; *letter && data <= end; letter++)
        switch (*letter) {
        case 'z':
        case 'S': /* a signal's frame */
        case 'B':
            break;
        case 'L': /* language's own data */
            data++;
            break;
        case 'P': /* personality routine */
            if (data >= end || sizes[*data & 0x0f] == 0)
                return DW_EH_PE_omit;
            data += 1 + sizes[*data & 0x0f];
            break;
        case 'R':
            return data < end ? *data : DW_EH_PE_omit;
        default:
            return DW_EH_PE_omit;
        }
    return DW_EH_PE_absptr;
}

/* The address at `start`, which itself lies at `here`, both as linked. */
static bool read_code(const uint8_t *start, const uint8_t *end, uint8_t encoding, uint64_t here,
                      uint64_t *code)
{
    int32_t small;
    uint32_t word;

    switch (encoding & 0x0f) {
    case DW_EH_PE_absptr:
    case DW_EH_PE_udata8:
    case DW_EH_PE_sdata8:
        if (end - start < 8)
            return false;
        memcpy(code, start, 8);
        break;
    case DW_EH_PE_udata4:
        if (end - start < 4)
            return false;
        memcpy(&word, start, 4);
        *code = word;
        break;
    case DW_EH_PE_sdata4:
        if (end - start < 4)
            return false;
        memcpy(&small, start, 4);
        *code = (uint64_t)(int64_t)small;
        break;
    default:
        return false;
    }
    switch (encoding & 0x70) {
    case 0:
        return true;
    case DW_EH_PE_pcrel:
        *code += here;
        return true;
    default:
        return false;
    }
}

static int by_start(const void *left, const void *right)
{
    const struct entry *a = left, *b = right;

    return a->start < b->start ? -1 : a->start > b->start;
}

static Elf_Data *section_data(Elf *elf, const char *wanted, uint64_t *address)
{
    size_t names;

    if (elf_getshdrstrndx(elf, &names) < 0)
        return NULL;
    for (Elf_Scn *section = elf_nextscn(elf, NULL); section; section = elf_nextscn(elf, section)) {
        GElf_Shdr header;
        const char *name = gelf_getshdr(section, &header) ? elf_strptr(elf, names, header.sh_name) : NULL;
        if (name && strcmp(name, wanted) == 0 && header.sh_type != SHT_NOBITS) {
            *address = header.sh_addr;
            return elf_rawdata(section, NULL);
        }
    }
    return NULL;
}

static struct rw_made_table *make_table(struct rw_modules *modules, const struct rw_module *module,
                                        Elf_Data *data, uint64_t address)
{
    const unsigned char *ident = (const unsigned char *)elf_getident(module->elf, NULL);
    struct rw_made_table *table = talloc_zero(modules, struct rw_made_table);
    Dwarf_Off at = 0, next, last_cie = (Dwarf_Off)-1;
    uint8_t encoding = DW_EH_PE_omit;
    Dwarf_CFI_Entry item;
    int result;

    /* Each takes 16 bytes at least. */
    if (table)
        table->entries = talloc_array(table, struct entry, data->d_size / 16 + 1);
    if (!table || !table->entries)
        return NULL;
    for (; (result = dwarf_next_cfi(ident, data, true, at, &next, &item)) == 0; at = next) {
        if (dwarf_cfi_cie_p(&item))
            continue;
        if (item.fde.CIE_pointer != last_cie) {
            Dwarf_CFI_Entry cie;
            Dwarf_Off ignored;
            last_cie = item.fde.CIE_pointer;
            bool is_cie =
                dwarf_next_cfi(ident, data, true, last_cie, &ignored, &cie) == 0 && dwarf_cfi_cie_p(&cie);
            encoding = is_cie ? code_encoding(&cie.cie) : DW_EH_PE_omit;
        }
        uint64_t code, here = address + (uint64_t)(item.fde.start - (const uint8_t *)data->d_buf);
        if (encoding == DW_EH_PE_omit || !read_code(item.fde.start, item.fde.end, encoding, here, &code) ||
            table->count > data->d_size / 16)
            continue;
        table->entries[table->count++] = (struct entry){(int32_t)(code - address), (int32_t)at};
    }
    qsort(table->entries, table->count, sizeof(table->entries[0]), by_start);
    return table;
}

static bool use_own_table(struct rw_modules *modules, struct rw_module *module)
{
    uint64_t address;
    Elf_Data *data = module->elf ? section_data(module->elf, ".eh_frame", &address) : NULL;

    module->made_table = data ? make_table(modules, module, data, address) : NULL;
    if (!module->made_table || module->made_table->count == 0)
        return false;
    module->table_base = address + module->bias;
    module->table_address = MADE_TABLES + ((uint64_t)(module - modules->items) << MADE_TABLE_SHIFT);
    module->table_entries = module->made_table->count;
    return true;
}

bool rw_frame_table(struct rw_image *image, struct rw_module *module)
{
    if (module->table_state == 0)
        module->table_state =
            use_linkers_table(image, module) || use_own_table(image->modules, module) ? 1 : -1;
    return module->table_state > 0;
}

bool rw_frame_table_word(const struct rw_modules *modules, uint64_t address, uint64_t *word)
{
    if (address < MADE_TABLES)
        return false;
    uint64_t index = (address - MADE_TABLES) >> MADE_TABLE_SHIFT;
    uint64_t offset = (address - MADE_TABLES) & ((UINT64_C(1) << MADE_TABLE_SHIFT) - 1);
    const struct rw_made_table *table = index < modules->count ? modules->items[index].made_table : NULL;
    if (!table || offset / sizeof(struct entry) >= table->count || offset % sizeof(struct entry))
        return false;
    memcpy(word, &table->entries[offset / sizeof(struct entry)], sizeof(*word));
    return true;
}
