/* SPDX-License-Identifier: MIT */
#include "tools/command/archive.h"

#include <archive.h>
#include <archive_entry.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "tools/basics/files.h"
#include "tools/basics/need.h"

#define LIBRARY "libarchive.so.13" /* the ABI of the header above: libarchive 3 */

#define FUNCTIONS(X)                                                                                         \
    X(archive_entry_free)                                                                                    \
    X(archive_entry_new)                                                                                     \
    X(archive_entry_set_filetype)                                                                            \
    X(archive_entry_set_mtime)                                                                               \
    X(archive_entry_set_pathname)                                                                            \
    X(archive_entry_set_perm)                                                                                \
    X(archive_entry_set_size)                                                                                \
    X(archive_error_string)                                                                                  \
    X(archive_write_add_filter_gzip)                                                                         \
    X(archive_write_add_filter_zstd)                                                                         \
    X(archive_write_close)                                                                                   \
    X(archive_write_data)                                                                                    \
    X(archive_write_free)                                                                                    \
    X(archive_write_header)                                                                                  \
    X(archive_write_new)                                                                                     \
    X(archive_write_open_fd)                                                                                 \
    X(archive_write_set_format_pax_restricted)

#define MEMBER(name) __typeof__(&(name)) name;
static struct {
    FUNCTIONS(MEMBER)
} lib;

struct rw_archive {
    struct archive *archive;
    int fd;
};

static const char *load(void)
{
    static void *library;
    if (library != NULL)
        return NULL;
    void *opened = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL);
    if (opened == NULL)
        return dlerror();
#define FIND(name)                                                                                           \
    lib.name = (__typeof__(lib.name))dlsym(opened, #name);                                                   \
    if (lib.name == NULL)                                                                                    \
        return dlerror();
    FUNCTIONS(FIND)
    library = opened;
    return NULL;
}

static int ends_with(const char *text, const char *end)
{
    size_t length = strlen(text), of_end = strlen(end);
    return length >= of_end && strcmp(text + length - of_end, end) == 0;
}

/* An archive of that name is replaced. A link or a device is somebody's doing, and none of ours. */
static int make_file(const char *file)
{
    struct stat status;
    if (lstat(file, &status) == 0 && !S_ISREG(status.st_mode))
        return -EEXIST;
    return rw_new_file(AT_FDCWD, file);
}

struct rw_archive *rw_archive_open(const char *file, const char **error)
{
    static char *told;
    free(told);
    told = NULL;
    *error = load();
    if (*error != NULL)
        return NULL;
    int fd = make_file(file);
    if (fd < 0) {
        *error = fd == -EEXIST ? "is there, and no regular file" : strerror(-fd);
        return NULL;
    }
    struct archive *archive = lib.archive_write_new();
    int filter = ends_with(file, ".zst") ? lib.archive_write_add_filter_zstd(archive)
                                         : lib.archive_write_add_filter_gzip(archive);
    if (filter < ARCHIVE_WARN || lib.archive_write_set_format_pax_restricted(archive) != ARCHIVE_OK ||
        lib.archive_write_open_fd(archive, fd) != ARCHIVE_OK) {
        *error = told = strdup(lib.archive_error_string(archive));
        lib.archive_write_free(archive);
        close(fd);
        unlink(file);
        return NULL;
    }
    struct rw_archive *opened = rw_need(malloc(sizeof(*opened)));
    opened->archive = archive;
    opened->fd = fd;
    return opened;
}

static int add_header(struct rw_archive *to, const char *name, off_t size, time_t time)
{
    struct archive_entry *entry = lib.archive_entry_new();
    lib.archive_entry_set_pathname(entry, name);
    lib.archive_entry_set_size(entry, size);
    lib.archive_entry_set_filetype(entry, AE_IFREG);
    lib.archive_entry_set_perm(entry, 0600);
    lib.archive_entry_set_mtime(entry, time, 0);
    int result = lib.archive_write_header(to->archive, entry);
    lib.archive_entry_free(entry);
    return result == ARCHIVE_OK ? 0 : -1;
}

static int add_bytes(struct rw_archive *to, const char *bytes, size_t length)
{
    return lib.archive_write_data(to->archive, bytes, length) == (la_ssize_t)length ? 0 : -1;
}

int rw_archive_add_text(struct rw_archive *to, const char *name, const char *text)
{
    size_t length = strlen(text);
    return add_header(to, name, (off_t)length, time(NULL)) != 0 ? -1 : add_bytes(to, text, length);
}

int rw_archive_add_file(struct rw_archive *to, const char *name, const char *path)
{
    static char buffer[64 * 1024];
    struct stat status;
    int fd = rw_open_regular(AT_FDCWD, path, O_NOFOLLOW), error = 0;
    if (fd < 0)
        return 0;
    if (fstat(fd, &status) == 0) {
        error = add_header(to, name, status.st_size, status.st_mtime);
        for (off_t left = status.st_size; left > 0 && error == 0;) {
            size_t wanted = left < (off_t)sizeof(buffer) ? (size_t)left : sizeof(buffer);
            ssize_t length = read(fd, buffer, wanted);
            if (length <= 0) {
                memset(buffer, 0, wanted);
                length = (ssize_t)wanted;
            }
            error = add_bytes(to, buffer, (size_t)length);
            left -= length;
        }
    }
    close(fd);
    return error;
}

const char *rw_archive_error(struct rw_archive *of)
{
    return lib.archive_error_string(of->archive);
}

int rw_archive_finish(struct rw_archive *of)
{
    return lib.archive_write_close(of->archive) == ARCHIVE_OK ? 0 : -1;
}

void rw_archive_close(struct rw_archive *of)
{
    lib.archive_write_free(of->archive);
    close(of->fd);
    free(of);
}
