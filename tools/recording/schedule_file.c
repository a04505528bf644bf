/* SPDX-License-Identifier: MIT */
#include "tools/recording/schedule_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <talloc.h>

#include "tools/basics/files.h"

#define THREADS_AT sizeof(struct rw_schedule_header)
#define SOURCES_AT (THREADS_AT + RW_SCHEDULE_THREAD_MAX * sizeof(struct rw_schedule_thread))
#define SWITCHES_AT (SOURCES_AT + RW_SCHEDULE_SOURCE_MAX * sizeof(struct rw_schedule_source))

static int copy(int fd, void *to, size_t size, size_t from)
{
    ssize_t got = pread(fd, to, size, (off_t)from);
    return got == (ssize_t)size ? 0 : got < 0 ? -errno : -EINVAL;
}

static bool is_sound(const struct rw_schedule_header *header, size_t size)
{
    return header->magic == RW_SCHEDULE_MAGIC && header->header_size == sizeof(*header) &&
           header->thread_size == sizeof(struct rw_schedule_thread) &&
           header->switch_size == sizeof(struct rw_schedule_switch) &&
           header->thread_count <= RW_SCHEDULE_THREAD_MAX && header->source_count <= RW_SCHEDULE_SOURCE_MAX &&
           header->switch_count <= RW_SCHEDULE_SWITCH_MAX &&
           header->switch_count <= (size - SWITCHES_AT) / sizeof(struct rw_schedule_switch);
}

static int read_arrays(int fd, struct rw_schedule *schedule)
{
    struct rw_schedule_header *header = &schedule->header;
    schedule->threads = talloc_zero_array(schedule, struct rw_schedule_thread, header->thread_count + 1);
    schedule->sources = talloc_zero_array(schedule, struct rw_schedule_source, header->source_count + 1);
    schedule->switches = talloc_zero_array(schedule, struct rw_schedule_switch, header->switch_count + 1);
    int error = copy(fd, schedule->threads, header->thread_count * sizeof(*schedule->threads), THREADS_AT);
    if (error == 0)
        error = copy(fd, schedule->sources, header->source_count * sizeof(*schedule->sources), SOURCES_AT);
    if (error == 0)
        error = copy(fd, schedule->switches, header->switch_count * sizeof(*schedule->switches), SWITCHES_AT);
    for (size_t i = 0; i < header->source_count; i++) {
        schedule->sources[i].file[sizeof(schedule->sources[i].file) - 1] = '\0';
        schedule->sources[i].function[sizeof(schedule->sources[i].function) - 1] = '\0';
    }
    uint32_t count = 0;
    for (size_t i = 0; i < header->switch_count; i++) {
        struct rw_schedule_switch *item = &schedule->switches[i];
        if (item->from >= header->thread_count || item->to >= header->thread_count)
            continue;
        if (item->source > header->source_count)
            item->source = 0;
        schedule->switches[count++] = *item;
    }
    header->switch_count = count;
    return error;
}

int rw_schedule_read(void *parent, const char *path, struct rw_schedule **out)
{
    struct stat status;
    int fd = rw_open_regular(AT_FDCWD, path, O_NOFOLLOW);
    if (fd < 0)
        return fd;
    struct rw_schedule *schedule = talloc_zero(parent, struct rw_schedule);
    int error = fstat(fd, &status) != 0 ? -errno : 0;
    if (error == 0 && (size_t)status.st_size < SWITCHES_AT)
        error = -EINVAL;
    if (error == 0)
        error = copy(fd, &schedule->header, sizeof(schedule->header), 0);
    if (error == 0 && !is_sound(&schedule->header, (size_t)status.st_size))
        error = -EINVAL;
    if (error == 0)
        error = read_arrays(fd, schedule);
    close(fd);
    schedule->header.executable[sizeof(schedule->header.executable) - 1] = '\0';
    if (error != 0)
        talloc_free(schedule);
    else
        *out = schedule;
    return error;
}

static int write_at(FILE *file, const void *from, size_t size, size_t count, size_t at)
{
    if (fseek(file, (long)at, SEEK_SET) != 0 || fwrite(from, size, count, file) != count)
        return -EIO;
    return 0;
}

int rw_schedule_write(const struct rw_schedule *schedule, const size_t *kept, size_t count, const char *path)
{
    int fd = rw_new_file(AT_FDCWD, path);
    if (fd < 0)
        return fd;
    int error = ftruncate(fd, (off_t)(SWITCHES_AT + count * sizeof(*schedule->switches))) != 0 ? -errno : 0;
    FILE *file = fdopen(fd, "w");
    if (file == NULL) {
        close(fd);
        return -ENOMEM;
    }
    struct rw_schedule_header header = schedule->header;
    header.switch_count = (uint32_t)count;
    header.hash = 0;
    header.has_diverged = 0;
    if (error == 0)
        error = write_at(file, &header, sizeof(header), 1, 0);
    if (error == 0)
        error =
            write_at(file, schedule->threads, sizeof(*schedule->threads), header.thread_count, THREADS_AT);
    if (error == 0)
        error =
            write_at(file, schedule->sources, sizeof(*schedule->sources), header.source_count, SOURCES_AT);
    for (size_t i = 0; error == 0 && i < count; i++) {
        struct rw_schedule_switch item = schedule->switches[kept[i]];
        item.check = 0;
        error = write_at(file, &item, sizeof(item), 1, SWITCHES_AT + i * sizeof(item));
    }
    return fclose(file) != 0 && error == 0 ? -errno : error;
}
