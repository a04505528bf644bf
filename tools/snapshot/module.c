/* SPDX-License-Identifier: MIT */
#include "tools/snapshot/module.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <talloc.h>
#include <unistd.h>

#include "tools/basics/files.h"
#include "tools/snapshot/proc.h"

#define PAGE UINT64_C(4096)
#define VDSO_MAX (1u << 20)

static int destroy(struct rw_modules *modules)
{
    for (size_t i = 0; i < modules->count; i++) {
        if (modules->items[i].elf)
            elf_end(modules->items[i].elf);
        if (modules->items[i].opened && modules->items[i].fd >= 0)
            close(modules->items[i].fd);
    }
    return 0;
}

static bool can_be_module(const struct rw_mapping *mapping)
{
    return mapping->path && (mapping->path[0] == '/' || strcmp(mapping->path, "[vdso]") == 0);
}

/* The loader maps a file's segments next to each other with growing offsets; the zeroed rest of its data is
 * an anonymous mapping after them. A second copy of the same file (dlmopen) begins at a smaller offset again.
 */
static bool continues(const struct rw_mapping *last, const struct rw_mapping *mapping)
{
    return last->inode == mapping->inode && last->offset <= mapping->offset &&
           strcmp(last->path, mapping->path) == 0;
}

/* Ten thousand threads have twenty thousand mappings, of which few are of files. */
static size_t count_candidates(const struct rw_maps *maps)
{
    size_t count = 0;

    for (size_t i = 0; i < maps->count; i++)
        count += can_be_module(&maps->items[i]);
    return count;
}

struct rw_modules *rw_modules_new(void *parent, int pid, struct rw_maps *maps, struct rw_memory *memory)
{
    struct rw_modules *modules = talloc_zero(parent, struct rw_modules);
    const struct rw_mapping *last = NULL;

    if (!modules)
        return NULL;
    elf_version(EV_CURRENT);
    modules->pid = pid;
    modules->maps = maps;
    modules->memory = memory;
    modules->is_live = memory && rw_memory_is_live(memory);
    modules->items = talloc_zero_array(modules, struct rw_module, count_candidates(maps) + 1);
    if (!modules->items) {
        talloc_free(modules);
        return NULL;
    }
    talloc_set_destructor(modules, destroy);
    for (size_t i = 0; i < maps->count; i++) {
        const struct rw_mapping *mapping = &maps->items[i];
        if (!can_be_module(mapping))
            continue;
        struct rw_module *module = &modules->items[modules->count];
        if (last && continues(last, mapping))
            module--;
        else {
            module->path = mapping->path;
            module->first = mapping;
            module->start = mapping->start;
            module->fd = -1;
            module->modules = modules;
            modules->count++;
        }
        module->end = mapping->end;
        last = mapping;
    }
    return modules;
}

struct rw_module *rw_modules_find(struct rw_modules *modules, uint64_t address)
{
    size_t low = 0, high = modules->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        struct rw_module *module = &modules->items[middle];
        if (address < module->start)
            high = middle;
        else if (address >= module->end)
            low = middle + 1;
        else
            return module;
    }
    return NULL;
}

int rw_modules_open_path(const struct rw_modules *modules, const char *path)
{
    const char *usable = modules->is_live ? rw_proc_path(NULL, modules->pid, path) : path;
    int fd = usable ? rw_open_regular(AT_FDCWD, usable, 0) : -ENOMEM;

    if (usable != path)
        talloc_free((void *)usable);
    return fd;
}

/* The file that is mapped even if it has no name any more; needs privileges, so it is the second choice. */
static int open_mapped(const struct rw_modules *modules, const struct rw_module *module)
{
    char name[96];

    if (!modules->is_live)
        return -ENOENT;
    snprintf(name, sizeof(name), "/proc/%d/map_files/%" PRIx64 "-%" PRIx64, modules->pid,
             module->first->start, module->first->end);
    return rw_open_regular(AT_FDCWD, name, 0);
}

static bool is_believed(const struct rw_modules *modules, const struct rw_module *module, int fd)
{
    uint8_t of_file[PAGE], of_memory[PAGE];
    const struct rw_mapping *first = module->first;
    struct stat status;

    if (fstat(fd, &status) < 0)
        return false;
    /* The first page holds the ELF header and, by every linker's habit, the build id; nobody relocates it. */
    if (modules->is_live && first->readable && !first->writable) {
        ssize_t got = pread(fd, of_file, PAGE, (off_t)first->offset);
        if (got > 0 && rw_memory_read(modules->memory, first->start, of_memory, (size_t)got) == 0)
            return memcmp(of_file, of_memory, (size_t)got) == 0;
    }
    /* The device number is left out: overlay file systems show one and map another. */
    return !first->is_deleted && (uint64_t)status.st_ino == first->inode;
}

/* The kernel's own library has no file; a copy in memory serves libelf and libdw as one. */
static int open_vdso(const struct rw_modules *modules, const struct rw_module *module)
{
    size_t length = (size_t)(module->end - module->start);

    if (!modules->is_live || length > VDSO_MAX)
        return -ENOENT;
    uint8_t *bytes = talloc_size(NULL, length);
    int fd = bytes ? memfd_create("vdso", MFD_CLOEXEC) : -1;
    if (fd >= 0 && (rw_memory_read(modules->memory, module->start, bytes, length) < 0 ||
                    write(fd, bytes, length) != (ssize_t)length)) {
        close(fd);
        fd = -1;
    }
    talloc_free(bytes);
    return fd < 0 ? -EIO : fd;
}

static void open_file(struct rw_modules *modules, struct rw_module *module)
{
    struct stat status;
    int fd;

    if (module->path[0] != '/')
        fd = open_vdso(modules, module);
    else {
        fd = module->first->is_deleted ? -ENOENT : rw_modules_open_path(modules, module->path);
        if (fd >= 0 && !is_believed(modules, module, fd)) {
            close(fd);
            fd = -ESTALE;
        }
        if (fd < 0) {
            fd = open_mapped(modules, module);
            if (fd >= 0 && !is_believed(modules, module, fd)) {
                close(fd);
                fd = -ESTALE;
            }
        }
    }
    if (fd < 0)
        return;
    module->elf = elf_begin(fd, ELF_C_READ_MMAP, NULL);
    if (!module->elf || elf_kind(module->elf) != ELF_K_ELF || gelf_getclass(module->elf) != ELFCLASS64) {
        if (module->elf)
            elf_end(module->elf);
        module->elf = NULL;
        close(fd);
        return;
    }
    module->fd = fd;
    if (module->path[0] == '/' && fstat(fd, &status) == 0) {
        module->device = status.st_dev;
        module->inode = status.st_ino;
    }
}

static void take_header(struct rw_module *module, const GElf_Phdr *header, uint64_t *hdr, uint64_t *hdr_size)
{
    if (header->p_type == PT_GNU_EH_FRAME) {
        *hdr = header->p_vaddr;
        *hdr_size = header->p_memsz;
    }
    if (header->p_type != PT_LOAD || module->segment_count == RW_SEGMENTS_MAX)
        return;
    module->segments[module->segment_count++] = (struct rw_segment){
        .address = header->p_vaddr,
        .offset = header->p_offset,
        .file_size = header->p_filesz,
        .memory_size = header->p_memsz,
        .writable = header->p_flags & PF_W,
        .executable = header->p_flags & PF_X,
    };
}

/* Program headers, out of the file, else out of the first page in memory. */
static int read_headers(struct rw_modules *modules, struct rw_module *module)
{
    union {
        Elf64_Ehdr header;
        uint8_t bytes[PAGE];
    } first;
    uint64_t hdr = 0, hdr_size = 0;
    size_t count = 0;

    if (module->elf) {
        GElf_Phdr header;
        if (elf_getphdrnum(module->elf, &count) < 0)
            return -ENOEXEC;
        for (size_t i = 0; i < count; i++)
            if (gelf_getphdr(module->elf, (int)i, &header))
                take_header(module, &header, &hdr, &hdr_size);
    } else {
        if (!modules->memory || module->first->offset != 0)
            return -ESTALE;
        int result = rw_memory_read(modules->memory, module->start, first.bytes, PAGE);
        if (result < 0)
            return result;
        if (memcmp(first.header.e_ident, ELFMAG, SELFMAG) != 0 ||
            first.header.e_ident[EI_CLASS] != ELFCLASS64 || first.header.e_phentsize != sizeof(Elf64_Phdr) ||
            first.header.e_phoff > PAGE ||
            first.header.e_phoff + (uint64_t)first.header.e_phnum * sizeof(Elf64_Phdr) > PAGE)
            return -ENOEXEC;
        for (size_t i = 0; i < first.header.e_phnum; i++) {
            Elf64_Phdr header;
            memcpy(&header, first.bytes + first.header.e_phoff + i * sizeof(header), sizeof(header));
            take_header(module, &header, &hdr, &hdr_size);
        }
    }
    if (module->segment_count == 0)
        return -ENOEXEC;
    module->eh_frame_hdr = hdr; /* as linked, until the bias is known */
    module->eh_frame_hdr_size = hdr_size;
    return 0;
}

/* Which segment the first mapping is tells how far the module was moved. Code is looked at first: two
 * segments may begin in one page of the file, but only one of them is executable. */
static bool find_bias(struct rw_modules *modules, struct rw_module *module)
{
    const struct rw_mapping *end = modules->maps->items + modules->maps->count;

    for (int executable = 1; executable >= 0; executable--)
        for (const struct rw_mapping *m = module->first; m < end && m->start < module->end; m++)
            for (unsigned i = 0; i < module->segment_count; i++) {
                const struct rw_segment *segment = &module->segments[i];
                if (!m->path || (executable && !(m->executable && segment->executable)) ||
                    (segment->offset & -PAGE) != m->offset)
                    continue;
                module->bias = m->start - (segment->address & -PAGE);
                return true;
            }
    return false;
}

static void read_build_id(struct rw_module *module)
{
    size_t count = 0;

    elf_getphdrnum(module->elf, &count);
    for (size_t i = 0; i < count; i++) {
        GElf_Phdr header;
        if (!gelf_getphdr(module->elf, (int)i, &header) || header.p_type != PT_NOTE)
            continue;
        Elf_Data *data = elf_getdata_rawchunk(module->elf, (int64_t)header.p_offset, header.p_filesz,
                                              header.p_align == 8 ? ELF_T_NHDR8 : ELF_T_NHDR);
        size_t at = 0, name, description;
        GElf_Nhdr note;
        while (data && (at = gelf_getnote(data, at, &note, &name, &description)) > 0) {
            if (note.n_type != NT_GNU_BUILD_ID || note.n_namesz != 4 ||
                memcmp((char *)data->d_buf + name, "GNU", 4) != 0 || note.n_descsz > 32)
                continue;
            for (size_t byte = 0; byte < note.n_descsz; byte++)
                sprintf(module->build_id + 2 * byte, "%02x", ((uint8_t *)data->d_buf)[description + byte]);
            return;
        }
    }
}

static int open_module(struct rw_modules *modules, struct rw_module *module)
{
    open_file(modules, module);
    int result = read_headers(modules, module);
    if (result < 0)
        return result;
    if (!find_bias(modules, module))
        return -ENOEXEC;
    if (module->eh_frame_hdr)
        module->eh_frame_hdr += module->bias;
    if (module->elf)
        read_build_id(module);
    return 1;
}

int rw_module_open(struct rw_modules *modules, struct rw_module *module)
{
    if (module->opened == 0)
        module->opened = open_module(modules, module);
    return module->opened < 0 ? module->opened : 0;
}

int rw_modules_read(struct rw_modules *modules, uint64_t address, void *buffer, size_t length)
{
    struct rw_module *module = rw_modules_find(modules, address);

    if (!module || rw_module_open(modules, module) < 0 || !module->elf)
        return -EFAULT;
    for (unsigned i = 0; i < module->segment_count; i++) {
        const struct rw_segment *segment = &module->segments[i];
        uint64_t start = segment->address + module->bias;
        if (segment->writable || address < start || address - start >= segment->file_size ||
            length > segment->file_size - (address - start))
            continue;
        size_t size;
        const char *image = elf_rawfile(module->elf, &size);
        uint64_t offset = segment->offset + (address - start);
        if (!image || offset > size || length > size - offset)
            return -EFAULT;
        memcpy(buffer, image + offset, length);
        return 0;
    }
    return -EFAULT;
}
