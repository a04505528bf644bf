/* SPDX-License-Identifier: MIT */
/* Maps, memory and names, of this very program and of made-up ones. */
#include <errno.h>
#include <gnu/libc-version.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <talloc.h>
#include <unistd.h>

#include <cmocka.h>

#include "tools/snapshot/demangle.h"
#include "tools/snapshot/image.h"
#include "tools/snapshot/proc.h"
#include "tools/snapshot/shared_places.h"

static const char text[] =
    "00400000-00401000 r--p 00000000 fd:00 42                         /bin/a b (deleted)\n"
    "not a line at all\n"
    "00401000-00402000 r-xp 00001000 fd:00 42                         /bin/a b (deleted)\n"
    "00300000-00301000 rw-p 00000000 00:00 0\n" /* out of order */
    "7ffd000-7ffe000 rw-s 00000000 00:00 0\n"
    "7fff000-7ffe000 rw-p 00000000 00:00 0\n" /* ends before it starts */
    "8000000-8001000 rw-p 00000000 00:00 0    [stack]";

static void parses_maps(void **state)
{
    struct rw_maps *maps;

    (void)state;
    assert_int_equal(rw_maps_parse(NULL, text, sizeof(text) - 1, &maps), 0);
    assert_int_equal(maps->count, 4);
    assert_string_equal(maps->items[0].path, "/bin/a b");
    assert_true(maps->items[0].is_deleted);
    assert_int_equal(maps->items[0].inode, 42);
    assert_ptr_equal(rw_maps_find(maps, 0x401fff), &maps->items[1]);
    assert_true(maps->items[1].executable && !maps->items[1].writable);
    assert_null(rw_maps_find(maps, 0x402000));
    assert_null(rw_maps_find(maps, 0x300000));
    assert_true(maps->items[2].shared);
    assert_null(maps->items[2].path);
    assert_string_equal(maps->items[3].path, "[stack]");
    talloc_free(maps);
}

static void reads_memory_in_layers(void **state)
{
    struct rw_memory *live = rw_memory_live(NULL, getpid());
    char here[] = "0123456789", copy[] = "abcd", buffer[16];

    (void)state;
    struct rw_memory *over = rw_memory_overlay(NULL, live, (uint64_t)(uintptr_t)here + 3, copy, 4);
    assert_int_equal(rw_memory_read(over, (uint64_t)(uintptr_t)here, buffer, sizeof(here)), 0);
    assert_string_equal(buffer, "012abcd789");
    assert_int_equal(rw_memory_read(over, 16, buffer, 8), -EFAULT);
    assert_int_equal(rw_memory_read(over, UINT64_MAX - 3, buffer, 8), -EFAULT);
    assert_true(rw_memory_is_live(over));
    assert_true(rw_memory_reads(over) >= 2);
    talloc_free(over);
    talloc_free(live);
}

static void cache_forgets_when_told(void **state)
{
    struct rw_memory *live = rw_memory_live(NULL, getpid());
    volatile uint64_t word = 1;
    uint64_t seen, address = (uint64_t)(uintptr_t)&word;

    (void)state;
    assert_int_equal(rw_memory_read_cached(live, address, &seen, sizeof(seen)), 0);
    word = 2;
    assert_int_equal(rw_memory_read_cached(live, address, &seen, sizeof(seen)), 0);
    assert_int_equal(seen, 1);
    assert_int_equal(rw_memory_read(live, address, &seen, sizeof(seen)), 0);
    assert_int_equal(seen, 2);
    rw_memory_forget(live);
    assert_int_equal(rw_memory_read_cached(live, address, &seen, sizeof(seen)), 0);
    assert_int_equal(seen, 2);
    talloc_free(live);
}

static void reads_up_to_the_end_of_a_mapping(void **state)
{
    struct rw_memory *live = rw_memory_live(NULL, getpid());
    long page = sysconf(_SC_PAGESIZE);
    char *pages = mmap(NULL, (size_t)(2 * page), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0),
         byte[2];

    (void)state;
    assert_int_equal(munmap(pages + page, (size_t)page), 0);
    uint64_t last = (uint64_t)(uintptr_t)pages + (uint64_t)page - 1;
    assert_int_equal(rw_memory_read_cached(live, last, byte, 1), 0);
    assert_int_equal(rw_memory_read_cached(live, last, byte, 2), -EFAULT);
    assert_int_equal(rw_memory_read(live, last, byte, 2), -EFAULT);
    munmap(pages, (size_t)page);
    talloc_free(live);
}

int image_test_variable __attribute__((visibility("default"))) = 5;

static void finds_names_and_addresses(void **state)
{
    struct rw_image *image;
    const char *object, *module;
    uint64_t address, size;

    (void)state;
    assert_int_equal(rw_image_open(NULL, getpid(), NULL, &image), 0);
    assert_null(image->note);
    uint64_t variable = (uint64_t)(uintptr_t)&image_test_variable;
    assert_int_equal(rw_symbols_address_of(image->symbols, "image_test_variable"), variable);
    assert_int_equal(rw_symbols_address_in(image->symbols, "libc.so", "gnu_get_libc_version"),
                     (uint64_t)(uintptr_t)gnu_get_libc_version);
    assert_int_equal(rw_symbols_address_of(image->symbols, "no_such_symbol_anywhere"), 0);
    assert_int_equal(rw_symbols_data(image->symbols, variable + 2, image, &object, &module), 0);
    assert_string_equal(object, "image_test_variable+0x2");
    assert_int_equal(rw_symbols_section(image->symbols, NULL, ".data", &address, &size), 0);
    assert_true(variable >= address && variable < address + size);
    assert_int_equal(rw_symbols_section(image->symbols, NULL, ".no.such", &address, &size), -ENOENT);
    talloc_free(image);
}

static void describes_code(void **state)
{
    struct rw_image *image;

    (void)state;
    assert_int_equal(rw_image_open(NULL, getpid(), NULL, &image), 0);
    const char *start = rw_symbols_describe(image->symbols, (uint64_t)(uintptr_t)describes_code, image);
    assert_int_equal(strncmp(start, "describes_code (image_test+0x", 29), 0);
    const char *within = rw_symbols_describe(image->symbols, (uint64_t)(uintptr_t)describes_code + 5, image);
    assert_int_equal(strncmp(within, "describes_code (image_test+0x", 29), 0);
    assert_null(rw_symbols_describe(image->symbols, 16, image));
    talloc_free(image);
}

/* A saved map of a process that is gone: its read-only memory is in the files, its data is not had. */
static void reads_files_of_a_process_that_is_gone(void **state)
{
    char path[] = "/tmp/image_test.XXXXXX", line[512];
    struct rw_image *image;
    uint64_t word;

    (void)state;
    int fd = mkstemp(path);
    FILE *maps = fopen("/proc/self/maps", "re"), *saved = fdopen(fd, "w");
    while (fgets(line, sizeof(line), maps))
        fputs(line, saved);
    fclose(maps);
    fclose(saved);
    assert_int_equal(rw_image_saved(NULL, 1, path, &image), 0);
    assert_false(rw_memory_is_live(image->memory));
    assert_int_equal(rw_memory_read(image->memory, (uint64_t)(uintptr_t)describes_code, &word, sizeof(word)),
                     0);
    assert_memory_equal(&word, (const void *)(uintptr_t)describes_code, sizeof(word));
    assert_int_equal(
        rw_memory_read(image->memory, (uint64_t)(uintptr_t)&image_test_variable, &word, sizeof(word)),
        -EFAULT);
    assert_int_equal(rw_memory_read(image->memory, (uint64_t)(uintptr_t)&word, &word, sizeof(word)), -EFAULT);
    talloc_free(image);
    unlink(path);
}

#define MOVED UINT64_C(0x10000000)

/* An image that has only libc, at another place than in this program. */
static struct rw_image *libc_elsewhere(void)
{
    char path[] = "/tmp/image_test.XXXXXX", line[512], rest[512];
    struct rw_image *image;
    uint64_t start, end;
    int fd = mkstemp(path);
    FILE *maps = fopen("/proc/self/maps", "re"), *saved = fdopen(fd, "w");

    while (fgets(line, sizeof(line), maps))
        if (strstr(line, "/libc.so") && sscanf(line, "%lx-%lx %511[^\n]", &start, &end, rest) == 3)
            fprintf(saved, "%lx-%lx %s\n", start + MOVED, end + MOVED, rest);
    fclose(maps);
    fclose(saved);
    assert_int_equal(rw_image_saved(NULL, 1, path, &image), 0);
    unlink(path);
    return image;
}

/* What one process has found of a file holds for the next, at its own place, and of no other file. */
static void shares_names_among_processes(void **state)
{
    static const char version[] = "gnu_get_libc_version", variable[] = "image_test_variable";
    uint64_t here = (uint64_t)(uintptr_t)gnu_get_libc_version;
    struct rw_shared_places *places = rw_shared_places_new(NULL);
    struct rw_image *own, *other;

    (void)state;
    for (int round = 0; round < 2; round++) {
        assert_int_equal(rw_image_open(NULL, getpid(), NULL, &own), 0);
        other = libc_elsewhere();
        rw_symbols_share(own->symbols, places);
        rw_symbols_share(other->symbols, places);
        assert_int_equal(rw_symbols_address_of(own->symbols, variable),
                         (uint64_t)(uintptr_t)&image_test_variable);
        assert_int_equal(rw_symbols_address_of(other->symbols, variable), 0);
        assert_int_equal(rw_symbols_address_in(own->symbols, "libc.so", version), here);
        assert_int_equal(rw_symbols_address_in(other->symbols, "libc.so", version), here + MOVED);
        assert_int_equal(rw_symbols_address_of(own->symbols, "no_such_symbol_anywhere"), 0);
        talloc_free(other);
        talloc_free(own);
    }
    talloc_free(places);
}

static void demangles(void **state)
{
    static const char *const pairs[][2] = {
        {"_ZN3foo3barEi", "foo::bar(int)"},
        {"_ZNKSt6vectorIiSaIiEE4sizeEv", "std::vector<int, std::allocator<int> >::size() const"},
        {"_ZN4core3fmt5Write9write_fmt17h0123456789abcdefE", "core::fmt::Write::write_fmt"},
        {"_RNvC6_123foo3bar", "123foo::bar"},
        {"pthread_cond_wait@@GLIBC_2.3.2", "pthread_cond_wait"},
        {"acquire_timed.lto_priv.0", "acquire_timed"},
        {"_ZN3foo3barEi.isra.0", "foo::bar(int)"},
        {"plain", "plain"},
        {"_Zbroken", "_Zbroken"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
        char *name = rw_demangle(NULL, pairs[i][0]);
        assert_string_equal(name, pairs[i][1]);
        talloc_free(name);
    }
}

static void names_commands_without_their_secrets(void **state)
{
    const char *command;

    (void)state;
    assert_int_equal(rw_proc_command(NULL, getpid(), &command), 0);
    assert_null(strstr(command, "secret"));
    assert_non_null(strstr(command, "image_test"));
    talloc_free((char *)(uintptr_t)command);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parses_maps),
        cmocka_unit_test(reads_memory_in_layers),
        cmocka_unit_test(cache_forgets_when_told),
        cmocka_unit_test(reads_up_to_the_end_of_a_mapping),
        cmocka_unit_test(finds_names_and_addresses),
        cmocka_unit_test(describes_code),
        cmocka_unit_test(reads_files_of_a_process_that_is_gone),
        cmocka_unit_test(shares_names_among_processes),
        cmocka_unit_test(demangles),
        cmocka_unit_test(names_commands_without_their_secrets),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
