/* SPDX-License-Identifier: MIT */
#include "tools/monitor/watch.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <talloc.h>

#include "tools/basics/files.h"
#include "tools/monitor/spares.h"
#include "tools/recording/reader.h"
#include "tools/snapshot/maps.h"
#include "tools/snapshot/proc.h"

/* Recordings watched at once: far more than processes that a test run has, and a bound on what a hostile
 * session folder can make the monitor hold. */
#define IMAGES_MAX 4096
/* Whoever gives an inotify watch up waits until the kernel has no reader of it left: 3 to 30 ms, more than a
 * short program takes. A run that is over by then is found by listing the folder. */
#define INOTIFY_FROM_NS UINT64_C(1000000000)
#define MAPS_BYTES_MAX (4u * 1024 * 1024)

struct rw_watch {
    const char *path;
    int inotify;       /* -1: none, the folder is listed */
    uint64_t since_ns; /* the first update */
    bool is_ending;
    struct rw_watched **images;
    size_t count;
    bool has_elsewhere;
    bool lacks_descriptors;
    char **kept; /* recordings that stay although their images are forgotten: they are not new */
    size_t kept_count;
};

static int destroy_watch(struct rw_watch *watch)
{
    for (size_t i = 0; i < watch->count; i++)
        rw_reader_close(watch->images[i]->reader);
    if (watch->inotify >= 0)
        close(watch->inotify);
    return 0;
}

struct rw_watch *rw_watch_new(void *parent, const char *path)
{
    struct rw_watch *watch = talloc_zero(parent, struct rw_watch);
    watch->path = talloc_strdup(watch, path);
    watch->inotify = -1;
    talloc_set_destructor(watch, destroy_watch);
    return watch;
}

/* Where that fails the folder is listed each time. */
static void begin_inotify(struct rw_watch *watch)
{
    watch->inotify = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    if (watch->inotify >= 0 &&
        inotify_add_watch(watch->inotify, watch->path, IN_CREATE | IN_MOVED_TO | IN_ONLYDIR) < 0) {
        close(watch->inotify);
        watch->inotify = -1;
    }
}

size_t rw_watch_count(const struct rw_watch *watch)
{
    return watch->count;
}

struct rw_watched *rw_watch_at(const struct rw_watch *watch, size_t index)
{
    return watch->images[index];
}

struct rw_watched *rw_watch_find(const struct rw_watch *watch, int pid)
{
    for (size_t i = 0; i < watch->count; i++)
        if (watch->images[i]->pid == pid && !watch->images[i]->is_over)
            return watch->images[i];
    return NULL;
}

size_t rw_watch_living(const struct rw_watch *watch)
{
    size_t living = 0;
    for (size_t i = 0; i < watch->count; i++)
        living += !watch->images[i]->is_over;
    return living;
}

static int destroy_watched(struct rw_watched *watched)
{
    if (watched->pidfd >= 0)
        close(watched->pidfd);
    return 0;
}

struct name {
    int pid;
    uint64_t created_ns;
    uint64_t space; /* PID namespace; 0: ours */
};

/* "<pid>-<created_ns, hex>.rec", or "<pid>-<created_ns, hex>@<pid namespace, hex>.rec" */
static bool parse_name(const char *text, struct name *name)
{
    char *end;
    errno = 0;
    long number = strtol(text, &end, 10);
    if (end == text || *end != '-' || number <= 0 || number > INT_MAX)
        return false;
    const char *hex = end + 1;
    *name = (struct name){.pid = (int)number, .created_ns = strtoull(hex, &end, 16)};
    if (end == hex)
        return false;
    if (*end == '@') {
        hex = end + 1;
        name->space = strtoull(hex, &end, 16);
        if (end == hex || name->space == 0)
            return false;
    }
    return strcmp(end, ".rec") == 0 && errno == 0;
}

/* "<pid>-<created_ns, hex>@<pid namespace, hex>.rec", or .maps or .schedule: of a process whose pid means
 * another one here. */
static bool is_of_elsewhere(const char *name)
{
    size_t pid = strspn(name, "0123456789");
    if (pid == 0 || name[pid] != '-')
        return false;
    const char *rest = name + pid + 1 + strspn(name + pid + 1, "0123456789abcdef");
    if (*rest != '@')
        return false;
    rest += 1 + strspn(rest + 1, "0123456789abcdef");
    return strcmp(rest, ".rec") == 0 || strcmp(rest, ".maps") == 0 || strcmp(rest, ".schedule") == 0;
}

bool rw_watch_lacks_descriptors(const struct rw_watch *watch)
{
    return watch->lacks_descriptors;
}

bool rw_watch_has_elsewhere(const struct rw_watch *watch)
{
    return watch->has_elsewhere;
}

void rw_watch_clear_elsewhere(struct rw_watch *watch)
{
    DIR *folder = watch->has_elsewhere ? opendir(watch->path) : NULL;
    const struct dirent *entry;
    while (folder != NULL && (entry = readdir(folder)) != NULL)
        if (is_of_elsewhere(entry->d_name))
            unlinkat(dirfd(folder), entry->d_name, 0);
    if (folder != NULL)
        closedir(folder);
}

static bool is_known(const struct rw_watch *watch, const char *file)
{
    for (size_t i = 0; i < watch->count; i++)
        if (strcmp(watch->images[i]->file, file) == 0)
            return true;
    for (size_t i = 0; i < watch->kept_count; i++)
        if (strcmp(watch->kept[i], file) == 0)
            return true;
    return false;
}

static void never_mind(struct rw_watch *watch, const char *file)
{
    watch->kept = talloc_realloc(watch, watch->kept, char *, watch->kept_count + 1);
    watch->kept[watch->kept_count++] = talloc_strdup(watch->kept, file);
}

static void add(struct rw_watch *watch, const char *file, uint64_t now_ns)
{
    struct name name;
    if (!parse_name(file, &name) || watch->count >= IMAGES_MAX || is_known(watch, file))
        return;
    int pid = name.space == 0 ? name.pid : rw_proc_find_elsewhere(name.space, name.pid);
    if (pid < 0) { /* it has just made its recording: who is not there now will not come */
        watch->has_elsewhere = true;
        never_mind(watch, file);
        return;
    }
    struct rw_watched *watched = talloc_zero(watch, struct rw_watched);
    watched->pid = pid;
    watched->own_pid = name.pid;
    watched->is_elsewhere = name.space != 0;
    watched->created_ns = name.created_ns;
    watched->seen_ns = watched->moved_ns = watched->cpu_from_ns = now_ns;
    watched->rules.runner_timeout_s = -1;
    watched->file = talloc_strdup(watched, file);
    watched->path = talloc_asprintf(watched, "%s/%s", watch->path, file);
    watched->maps = talloc_asprintf(watched, "%.*s.maps", (int)(strlen(watched->path) - 4), watched->path);
    watched->schedule =
        talloc_asprintf(watched, "%.*s.schedule", (int)(strlen(watched->path) - 4), watched->path);
    watched->pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
    talloc_set_destructor(watched, destroy_watched);
    watched->is_over = watched->was_gone = watched->pidfd < 0 && errno == ESRCH;
    watch->images = talloc_realloc(watch, watch->images, struct rw_watched *, watch->count + 1);
    watch->images[watch->count++] = watched;
    /* The newer image of a pid is the one that lives. */
    for (size_t i = 0; i + 1 < watch->count; i++) {
        struct rw_watched *other = watch->images[i];
        if (other->pid != pid || other->is_over)
            continue;
        struct rw_watched *older = other->created_ns <= name.created_ns ? other : watched;
        older->is_over = older->was_replaced = true;
    }
}

static void scan(struct rw_watch *watch, uint64_t now_ns)
{
    DIR *folder = opendir(watch->path);
    const struct dirent *entry;
    while (folder != NULL && (entry = readdir(folder)) != NULL)
        add(watch, entry->d_name, now_ns);
    if (folder != NULL)
        closedir(folder);
}

static void read_inotify(struct rw_watch *watch, uint64_t now_ns)
{
    _Alignas(struct inotify_event) char buffer[16 * 1024];
    ssize_t length;
    bool overflowed = false;
    while ((length = read(watch->inotify, buffer, sizeof(buffer))) > 0)
        for (char *at = buffer; at < buffer + length;) {
            const struct inotify_event *event = (const struct inotify_event *)at;
            if (event->mask & IN_Q_OVERFLOW)
                overflowed = true;
            else if (event->len > 0)
                add(watch, event->name, now_ns);
            at += sizeof(*event) + event->len;
        }
    if (overflowed)
        scan(watch, now_ns);
}

/* 1: yes, 0: no, -1: a filter refuses pidfd_open or poll, or there are too few descriptors. */
static int has_surely_ended(const struct rw_watched *watched)
{
    struct pollfd poll_fd = {.fd = watched->pidfd, .events = POLLIN};
    if (watched->was_gone)
        return 1;
    return watched->pidfd >= 0 ? poll(&poll_fd, 1, 0) : -1;
}

static bool has_ended(const struct rw_watched *watched)
{
    int ended = has_surely_ended(watched);
    return ended >= 0 ? ended > 0 : !rw_proc_alive(watched->pid, 0);
}

/* The number may be another process's by now: its recording tells when it was made. */
static void open_reader(struct rw_watch *watch, struct rw_watched *watched)
{
    char *why = NULL;
    int error = rw_reader_open(watched->path, &watched->reader, &why);
    talloc_free(why);
    watch->lacks_descriptors |= error == -EMFILE || error == -ENFILE;
    if (error != 0)
        return;
    const struct rw_header *header = rw_reader_header(watched->reader);
    if (!watched->is_over &&
        (header->pid != watched->own_pid || !rw_proc_alive(watched->pid, header->created_boottime_ns)))
        watched->is_over = true;
}

void rw_watch_update(struct rw_watch *watch, uint64_t now_ns, bool rescan)
{
    bool is_blind = watch->inotify < 0;
    if (watch->since_ns == 0)
        watch->since_ns = now_ns;
    if (!is_blind)
        read_inotify(watch, now_ns);
    else if (now_ns >= watch->since_ns + INOTIFY_FROM_NS)
        begin_inotify(watch);
    if (rescan || is_blind)
        scan(watch, now_ns);
    for (size_t i = 0; i < watch->count; i++) {
        struct rw_watched *watched = watch->images[i];
        if (watched->reader == NULL)
            open_reader(watch, watched);
        if (!watched->is_over && has_ended(watched))
            watched->is_over = true;
        if (!watched->is_over)
            watched->alive_ns = now_ns;
    }
}

void rw_watched_save_maps(struct rw_watched *watched)
{
    if (watched->reader == NULL)
        return;
    uint64_t generation = rw_reader_header(watched->reader)->dl_generation + 1;
    if (generation == watched->maps_generation)
        return;
    watched->maps_generation = generation;
    char name[64], temporary[PATH_MAX];
    int thread = rw_proc_living_thread(watched->pid);
    snprintf(name, sizeof(name), "/proc/%d/task/%d/maps", watched->pid, thread > 0 ? thread : watched->pid);
    snprintf(temporary, sizeof(temporary), "%s.new", watched->maps);
    int in = open(name, O_RDONLY | O_CLOEXEC);
    int out = in < 0 ? -1 : rw_new_file(AT_FDCWD, temporary);
    char buffer[16 * 1024];
    ssize_t length = 0;
    size_t total = 0;
    bool is_whole = out >= 0;
    while (is_whole && total < MAPS_BYTES_MAX && (length = read(in, buffer, sizeof(buffer))) > 0) {
        is_whole = write(out, buffer, (size_t)length) == length;
        total += (size_t)length;
    }
    if (out >= 0 && (!is_whole || total == 0 || rename(temporary, watched->maps) != 0))
        unlink(temporary);
    if (out >= 0)
        close(out);
    if (in >= 0)
        close(in);
}

/* What stays is cut to the slots that were ever used. Only of a process that has surely ended: to one that
 * has the file mapped, what is beyond its end is a SIGBUS. */
static void cut_recording(const struct rw_watched *watched)
{
    struct stat status;
    if (watched->reader == NULL || has_surely_ended(watched) <= 0 || watched->was_replaced)
        return;
    rw_reader_refresh(watched->reader);
    const struct rw_header *header = rw_reader_header(watched->reader);
    uint64_t size = header->slot_offset + (uint64_t)header->slot_used * header->slot_size;
    int fd = open(watched->path, O_WRONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
    if (fd >= 0 && fstat(fd, &status) == 0 && S_ISREG(status.st_mode) && (uint64_t)status.st_size > size &&
        ftruncate(fd, (off_t)size) != 0) {
        /* It stays as long as it is. */
    }
    if (fd >= 0)
        close(fd);
}

/* Whether surely nobody has the recording mapped. */
static bool may_be_reused(const struct rw_watched *watched)
{
    return watched->is_over && (has_surely_ended(watched) > 0 ||
                                (watched->was_replaced && !rw_maps_live_share(watched->pid, watched->path)));
}

void rw_watch_ends(struct rw_watch *watch)
{
    watch->is_ending = true;
}

void rw_watch_forget(struct rw_watch *watch, struct rw_watched *watched)
{
    for (size_t i = 0; i < watch->count; i++)
        if (watch->images[i] == watched) {
            watch->images[i] = watch->images[--watch->count];
            break;
        }
    if (watched->is_kept)
        cut_recording(watched);
    bool is_reusable = !watched->is_kept && !watch->is_ending && may_be_reused(watched);
    rw_reader_close(watched->reader);
    if (watched->is_kept) {
        never_mind(watch, watched->file);
    } else {
        if (!is_reusable || !rw_spares_add(watch->path, watched->path))
            unlink(watched->path);
        unlink(watched->maps);
        unlink(watched->schedule);
    }
    talloc_free(watched);
}
