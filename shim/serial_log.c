/* SPDX-License-Identifier: MIT */
#include "shim/serial_log.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>

#include "shim/raw.h"
#include "shim/recording_file.h"
#include "shim/schedule.h"
#include "shim/schedule_given.h"
#include "shim/text.h"

#define PAGE 4096u
enum {
    THREAD_OFFSET = sizeof(struct rw_schedule_header),
    SOURCE_OFFSET = THREAD_OFFSET + RW_SCHEDULE_THREAD_MAX * sizeof(struct rw_schedule_thread),
    SWITCH_OFFSET = SOURCE_OFFSET + RW_SCHEDULE_SOURCE_MAX * sizeof(struct rw_schedule_source),
    FIRST_SIZE = 32 * PAGE,
    MAX_SIZE =
        (SWITCH_OFFSET + RW_SCHEDULE_SWITCH_MAX * sizeof(struct rw_schedule_switch) + PAGE - 1) / PAGE * PAGE,
};

static struct rw_schedule_header own_header; /* where there is no file */
static struct rw_schedule_header *header = &own_header;
static struct rw_schedule_thread *threads;
static struct rw_schedule_source *sources;
static struct rw_schedule_switch *switches;
static char path[PATH_MAX + 80];
static uint64_t size; /* of what is mapped and has blocks behind it */

/* The file that is done again. */
static struct {
    struct rw_schedule_given file; /* no header: none */
    /* For each thread and kind of point, where to look on for its switches. */
    uint32_t next[RW_SERIAL_THREADS][RW_SCHEDULE_POINTS];
    uint32_t thread_of[RW_SERIAL_THREADS]; /* its index in the file, UINT32_MAX: it is not there */
} replay;

/* Maps the file up to `to`, with blocks behind it, where its address space is reserved. */
static int extend(int fd, uint64_t to)
{
    if (to > rw_recording_size_limit())
        return -EFBIG;
    long result = rw_raw4(SYS_fallocate, fd, 0, (long)size, (long)(to - size));
    if (result < 0)
        return (int)result;
    result = rw_raw6(SYS_mmap, (long)header + (long)size, (long)(to - size), PROT_READ | PROT_WRITE,
                     MAP_SHARED | MAP_FIXED, fd, (long)size);
    if (rw_raw_is_error(result))
        return (int)result;
    size = to;
    return 0;
}

static void name_file(void)
{
    struct rw_text text;
    const char *recording = rw_recording_path();
    size_t length = rw_text_length(recording);
    rw_text_begin(&text, path, sizeof path);
    rw_text_add_bytes(&text, recording, length > 4 ? length - 4 : length); /* without ".rec" */
    rw_text_add(&text, ".schedule");
}

int rw_serial_log_begin(uint64_t seed)
{
    name_file();
    long fd = rw_raw3(SYS_open, (long)path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return (int)fd;
    long space =
        rw_raw6(SYS_mmap, 0, MAX_SIZE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    int result = rw_raw_is_error(space) ? (int)space : 0;
    if (result == 0) {
        header = (struct rw_schedule_header *)space;
        result = extend((int)fd, FIRST_SIZE);
    }
    rw_raw3(SYS_close, fd, 0, 0);
    if (result != 0) {
        if (!rw_raw_is_error(space))
            rw_raw3(SYS_munmap, space, MAX_SIZE, 0);
        rw_raw3(SYS_unlink, (long)path, 0, 0);
        header = &own_header;
    } else {
        threads = (struct rw_schedule_thread *)((char *)header + THREAD_OFFSET);
        sources = (struct rw_schedule_source *)((char *)header + SOURCE_OFFSET);
        switches = (struct rw_schedule_switch *)((char *)header + SWITCH_OFFSET);
    }
    header->header_size = sizeof *header;
    header->thread_size = sizeof *threads;
    header->switch_size = sizeof *switches;
    header->pid = rw_header->pid;
    header->place = rw_place();
    header->seed = seed;
    header->lines = own_header.lines; /* it may be known already that there are none */
    rw_copy(header->executable, rw_header->executable, sizeof header->executable);
    header->magic = RW_SCHEDULE_MAGIC;
    return result;
}

int rw_serial_log_replay(const char *file)
{
    struct rw_schedule_given given;
    int error = rw_schedule_given(file, &given);
    if (error == 0 && given.header->place != header->place) {
        rw_raw3(SYS_munmap, (long)given.header, (long)given.size, 0);
        error = -ESTALE;
    }
    if (error == 0)
        replay.file = given;
    return error;
}

void rw_serial_log_thread(struct rw_serial_thread *thread, const struct rw_serial_thread *parent)
{
    for (uint32_t kind = 0; kind < RW_SCHEDULE_POINTS; kind++)
        replay.next[thread->index][kind] = 0;
    replay.thread_of[thread->index] = UINT32_MAX;
    for (uint32_t i = 0; replay.file.header && i < replay.file.thread_count; i++) {
        if (replay.file.threads[i].path == thread->path)
            replay.thread_of[thread->index] = i;
    }
    if (!threads || header->thread_count >= RW_SCHEDULE_THREAD_MAX) {
        header->is_cut |= threads != NULL;
        thread->logged = RW_SCHEDULE_THREAD_MAX;
        return;
    }
    thread->logged = header->thread_count;
    threads[header->thread_count] = (struct rw_schedule_thread){
        .path = thread->path,
        .parent = parent ? parent->logged : header->thread_count,
    };
    __atomic_store_n(&header->thread_count, header->thread_count + 1, __ATOMIC_RELEASE);
}

uint32_t rw_serial_log_source(const char *file, const char *function)
{
    if (!sources || header->source_count >= RW_SCHEDULE_SOURCE_MAX)
        return 0;
    struct rw_schedule_source *source = &sources[header->source_count];
    size_t length = rw_text_length(file), most = sizeof source->file - 1;
    struct rw_text text;
    rw_text_begin(&text, source->file, sizeof source->file);
    rw_text_add(&text, file + (length > most ? length - most : 0));
    rw_text_begin(&text, source->function, sizeof source->function);
    rw_text_add(&text, function);
    for (uint32_t i = 0; i < header->source_count; i++) {
        if (rw_text_equal(sources[i].file, source->file) &&
            rw_text_equal(sources[i].function, source->function))
            return i + 1;
    }
    __atomic_store_n(&header->source_count, header->source_count + 1, __ATOMIC_RELEASE);
    return header->source_count;
}

void rw_serial_log_lines(enum rw_schedule_lines lines)
{
    header->lines = lines;
}

void rw_serial_log_lines_displaced(void)
{
    header->lines_displaced++;
}

bool rw_serial_log_draw(uint32_t share)
{
    return replay.file.header || rw_random_below(&rw_serial.policy.random, share) == 0;
}

static void diverge(const struct rw_serial_thread *self, enum rw_schedule_divergence how,
                    const struct rw_schedule_switch *expected)
{
    if (header->has_diverged)
        return;
    header->diverged_step = header->decisions;
    header->diverged_thread = self->logged;
    header->diverged_source = self->source;
    header->diverged_line = self->line;
    header->expected_switch = (uint32_t)(expected - replay.file.switches);
    header->diverged_return_address = (uint64_t)self->return_address;
    __atomic_store_n(&header->has_diverged, how, __ATOMIC_RELEASE);
}

/* The switch that the file has for this point of this thread, NULL if it went on there. */
static const struct rw_schedule_switch *listed(const struct rw_serial_thread *self)
{
    uint32_t thread = replay.thread_of[self->index];
    uint32_t *at = &replay.next[self->index][self->kind], point = self->points[self->kind];
    for (; thread != UINT32_MAX && *at < replay.file.switch_count; ++*at) {
        const struct rw_schedule_switch *item = &replay.file.switches[*at];
        if (item->from == thread && item->kind == self->kind && item->point >= point)
            return item->point == point ? item : NULL;
    }
    return NULL;
}

static uint32_t replayed(const struct rw_serial_thread *self, struct rw_serial_thread *const list[],
                         uint32_t count, uint32_t standard)
{
    const struct rw_schedule_switch *item = listed(self);
    if (!item)
        return standard;
    /* Where the code is differs from run to run by whole pages. */
    bool is_elsewhere =
        item->line != self->line || (item->return_address ^ (uint64_t)self->return_address) % PAGE != 0;
    if (item->check != 0 && (item->check != (uint32_t)header->hash || is_elsewhere))
        diverge(self, RW_SCHEDULE_ELSEWHERE, item);
    for (uint32_t i = 0; i < count; i++) {
        if (replay.thread_of[list[i]->index] == item->to)
            return i;
    }
    if (item->check != 0)
        diverge(self, RW_SCHEDULE_CANNOT_RUN, item);
    return standard;
}

static void grow(void)
{
    uint64_t end = SWITCH_OFFSET + (header->switch_count + 1) * sizeof *switches;
    if (!switches || header->is_cut || end <= size)
        return;
    long fd = rw_raw3(SYS_open, (long)path, O_RDWR | O_NOFOLLOW | O_CLOEXEC, 0);
    if (fd < 0 || size >= MAX_SIZE || extend((int)fd, 2 * size < MAX_SIZE ? 2 * size : MAX_SIZE) != 0)
        header->is_cut = 1;
    if (fd >= 0)
        rw_raw3(SYS_close, fd, 0, 0);
}

static struct rw_schedule_switch described(const struct rw_serial_thread *self,
                                           const struct rw_serial_thread *chosen, bool was_able)
{
    return (struct rw_schedule_switch){
        .from = self->logged,
        .to = chosen->logged,
        .point = self->points[self->kind],
        .check = (uint32_t)header->hash,
        .return_address = (uint64_t)self->return_address,
        .was_able = was_able,
        .source = self->source,
        .line = self->line,
        .kind = self->kind,
    };
}

static void write_down(const struct rw_schedule_switch *what)
{
    grow();
    if (!switches || header->is_cut)
        return;
    switches[header->switch_count] = *what;
    __atomic_store_n(&header->switch_count, header->switch_count + 1, __ATOMIC_RELEASE);
}

static void add_to_hash(const struct rw_serial_thread *self, const struct rw_serial_thread *chosen,
                        uint32_t where)
{
    uint64_t what = chosen->logged | (uint64_t)self->logged << 16 | (uint64_t)where << 32;
    header->hash = (header->hash ^ what) * UINT64_C(0x9e3779b97f4a7c15);
    header->hash ^= header->hash >> 29;
    header->hash += (uint32_t)header->hash == 0; /* 0 is for "not to be compared" */
    header->decisions++;
}

uint32_t rw_serial_log_choose(struct rw_serial_thread *self, struct rw_serial_thread *const list[],
                              uint32_t able, uint32_t count)
{
    static struct rw_serial_candidate *candidates[RW_SERIAL_THREADS];
    uint32_t current = count, chosen;
    for (uint32_t i = 0; i < count; i++) {
        candidates[i] = &list[i]->candidate;
        if (list[i] == self && i < able)
            current = i;
    }
    uint32_t standard = current < count ? current : 0;
    if (replay.file.header)
        chosen = replayed(self, list, count, standard);
    else
        chosen = count == 1 ? 0 : rw_serial_choose(&rw_serial.policy, candidates, count, current);
    if (chosen != standard) {
        const struct rw_schedule_switch what = described(self, list[chosen], current < count);
        write_down(&what);
    }
    /* A file that was written before these were points knows nothing of them. */
    if (chosen != standard || (able > 1 && self->kind != RW_SCHEDULE_AFTER))
        add_to_hash(self, list[chosen], (uint32_t)((uint64_t)self->return_address % PAGE));
    header->points = rw_serial.steps;
    return chosen;
}

uint32_t rw_serial_log_choose_at_line(struct rw_serial_thread *self, struct rw_serial_thread *const list[],
                                      uint32_t count, bool is_asked)
{
    static struct rw_serial_candidate *candidates[RW_SERIAL_THREADS];
    uint32_t chosen = 0;
    for (uint32_t i = 0; i < count; i++)
        candidates[i] = &list[i]->candidate;
    if (replay.file.header)
        chosen = replayed(self, list, count, 0);
    else if (is_asked && count > 1)
        chosen = rw_serial_choose(&rw_serial.policy, candidates, count, 0);
    if (chosen != 0) {
        const struct rw_schedule_switch what = described(self, list[chosen], true);
        write_down(&what);
        add_to_hash(self, list[chosen], self->line);
    }
    header->line_points++;
    header->points = rw_serial.steps;
    return chosen;
}

/* Switches of this kind are found by who gets the lock. */
static const struct rw_schedule_switch *listed_check(const struct rw_serial_thread *thread)
{
    uint32_t index = replay.thread_of[thread->index], point = thread->points[RW_SCHEDULE_CHECK];
    uint32_t *at = &replay.next[thread->index][RW_SCHEDULE_CHECK];
    for (; index != UINT32_MAX && *at < replay.file.switch_count; ++*at) {
        const struct rw_schedule_switch *item = &replay.file.switches[*at];
        if (item->to == index && item->kind == RW_SCHEDULE_CHECK && item->point >= point)
            return item->point == point ? item : NULL;
    }
    return NULL;
}

uint32_t rw_serial_log_checks(struct rw_serial_thread *thread)
{
    if (!replay.file.header)
        return rw_serial_policy_checks(&rw_serial.policy, &thread->candidate, rw_serial.asks);
    const struct rw_schedule_switch *item = listed_check(thread);
    return item ? item->checks : 0;
}

void rw_serial_log_check(struct rw_serial_thread *self, const struct rw_serial_thread *next, uint32_t checks)
{
    const struct rw_schedule_switch *item = replay.file.header ? listed_check(next) : NULL;
    if (item && item->check != 0 && (item->check != (uint32_t)header->hash || item->line != self->line))
        diverge(self, RW_SCHEDULE_ELSEWHERE, item);
    struct rw_schedule_switch what = described(self, next, true);
    what.kind = RW_SCHEDULE_CHECK;
    what.point = next->points[RW_SCHEDULE_CHECK];
    what.checks = checks;
    write_down(&what);
    add_to_hash(self, next, checks);
}

void rw_serial_log_takeover(void)
{
    header->takeovers++;
}

void rw_serial_log_forget(void)
{
    header = &own_header;
    threads = NULL;
    sources = NULL;
    switches = NULL;
    replay.file.header = NULL;
}

void rw_serial_log_tid(const struct rw_serial_thread *thread)
{
    if (threads && thread->logged < RW_SCHEDULE_THREAD_MAX)
        __atomic_store_n(&threads[thread->logged].tid, thread->tid, __ATOMIC_RELAXED);
}
