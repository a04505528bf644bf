/* SPDX-License-Identifier: MIT */
/* What the index finds of code is what libdw finds by reading the whole table. Arguments: files with symbols.
 */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <talloc.h>

#include <cmocka.h>

#include "tools/snapshot/symbol_index.h"

#define SAMPLES 2000 /* of the functions of each file, at four addresses */

static char *find_nothing;

static int no_debug_file(Dwfl_Module *module, void **user, const char *name, Dwarf_Addr base,
                         const char *file, const char *link, GElf_Word crc, char **found)
{
    (void)module, (void)user, (void)name, (void)base, (void)file, (void)link, (void)crc, (void)found;
    return -1;
}

static const Dwfl_Callbacks callbacks = {
    .find_elf = dwfl_build_id_find_elf,
    .find_debuginfo = no_debug_file,
    .section_address = dwfl_offline_section_address,
    .debuginfo_path = &find_nothing,
};

static void check_at(Dwfl_Module *module, struct rw_symbol_index *index, uint64_t address)
{
    GElf_Off offset = 0;
    GElf_Sym symbol;
    uint64_t found_offset = 0;
    const char *name = dwfl_module_addrinfo(module, address, &offset, &symbol, NULL, NULL, NULL);
    const char *found = rw_symbol_index_find(index, address, &found_offset);

    if (name && offset >= (symbol.st_size ? symbol.st_size : 256))
        name = NULL;
    if (!name != !found)
        fail_msg("0x%" PRIx64 ": %s, not %s", address, found ? found : "none", name ? name : "none");
    if (name && (strcmp(name, found) != 0 || offset != found_offset))
        fail_msg("0x%" PRIx64 ": %s+0x%" PRIx64 ", not %s+0x%" PRIx64, address, found, found_offset, name,
                 (uint64_t)offset);
}

static const char *files[8];
static size_t file_count;

static void finds_what_libdw_finds(void **state)
{
    (void)state;
    for (size_t f = 0; f < file_count; f++) {
        Dwfl *dwfl = dwfl_begin(&callbacks);
        Dwfl_Module *module = dwfl_report_elf(dwfl, files[f], files[f], -1, 0x10000000, true);
        assert_non_null(module);
        dwfl_report_end(dwfl, NULL, NULL);
        struct rw_symbol_index *index = rw_symbol_index_new(NULL, module);
        int count = dwfl_module_getsymtab(module), step = count / SAMPLES + 1;
        assert_non_null(index);
        assert_true(count > 1);
        for (int i = 1; i < count; i += step) {
            GElf_Sym symbol;
            GElf_Addr start;
            if (!dwfl_module_getsym_info(module, i, &symbol, &start, NULL, NULL, NULL) ||
                GELF_ST_TYPE(symbol.st_info) != STT_FUNC)
                continue;
            check_at(module, index, start - 1);
            check_at(module, index, start);
            check_at(module, index, start + symbol.st_size / 2);
            check_at(module, index, start + symbol.st_size);
        }
        check_at(module, index, 0);
        check_at(module, index, UINT64_MAX);
        talloc_free(index);
        dwfl_end(dwfl);
    }
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_what_libdw_finds),
    };

    for (int i = 1; i < argc && file_count < sizeof(files) / sizeof(files[0]); i++)
        files[file_count++] = argv[i];
    return cmocka_run_group_tests(tests, NULL, NULL);
}
