/* SPDX-License-Identifier: MIT */
/* The reader on good, half-dead, foreign and moving recordings. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <talloc.h>
#include <unistd.h>
#include <cmocka.h>

#include "tests/unit/recording/make_recording.h"
#include "tools/recording/reader.h"

struct fixture {
    char *folder;
    char path[4096];
    struct made made;
};

static int set_up(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    fixture->folder = make_folder();
    snprintf(fixture->path, sizeof(fixture->path), "%s/1.rec", fixture->folder);
    make_rich_recording(&fixture->made);
    *state = fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    free_recording(&fixture->made);
    remove_folder(fixture->folder);
    free(fixture);
    return 0;
}

static struct rw_reader *open_good(struct fixture *fixture)
{
    struct rw_reader *reader;
    char *why;
    write_recording(&fixture->made, fixture->path, SIZE_MAX);
    assert_int_equal(rw_reader_open(fixture->path, &reader, &why), 0);
    assert_null(why);
    return reader;
}

/* Overwrites a part of the file, as its writer would. */
static void scribble(const struct fixture *fixture, size_t offset, const void *bytes, size_t size)
{
    int fd = open(fixture->path, O_WRONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, bytes, size, (off_t)offset), size);
    close(fd);
}

static size_t offset_of(const struct fixture *fixture, const void *part)
{
    return (size_t)((const unsigned char *)part - fixture->made.bytes);
}

static void hands_out_what_was_written(void **state)
{
    struct fixture *fixture = *state;
    struct rw_reader *reader = open_good(fixture);
    const struct rw_header *header = rw_reader_header(reader);
    assert_int_equal(header->pid, MADE_PID);
    assert_int_equal(header->slot_used, 5);
    assert_null(rw_reader_note(reader));

    struct rw_slot slot;
    assert_int_equal(rw_reader_slot(reader, 1, &slot), 0);
    assert_int_equal(slot.tid, 4001);
    assert_string_equal(slot.name, "worker-1");
    assert_int_equal(slot.wait.object, 0x8000);
    assert_int_equal(rw_reader_slot(reader, 5, &slot), -ENOENT);

    struct rw_semaphore owner;
    assert_int_equal(rw_reader_semaphore_owner(reader, 0x7777, &owner), 0);
    assert_int_equal(owner.tid, 4001);
    assert_int_equal(rw_reader_semaphore_owner(reader, 0x7778, &owner), -ENOENT);
    assert_int_equal(rw_reader_semaphore_owner(reader, 0, &owner), -ENOENT);

    struct rw_lock lock;
    assert_int_equal(rw_reader_lock_owner(reader, 0x7f0012345670, &lock), 0);
    assert_int_equal(lock.tid, 4001);
    assert_int_equal(lock.code, 0xc0de);
    assert_int_equal(rw_reader_lock_owner(reader, 0x7f0012345680, &lock), -ENOENT);
    assert_int_equal(rw_reader_lock_owner(reader, 0, &lock), -ENOENT);
    assert_int_equal(rw_reader_lock_owner(reader, 1, &lock), -ENOENT);

    struct rw_test test;
    assert_int_equal(rw_reader_current_test(reader, &test), 0);
    assert_string_equal(test.name, "test_a.py::test_two");
    assert_int_equal(rw_reader_test(reader, 1, &test), 0);
    assert_int_equal(rw_reader_test(reader, 33, &test), -ENOENT);
    assert_int_equal(rw_reader_test(reader, 0, &test), -ENOENT);

    struct rw_interpreter interpreter;
    assert_int_equal(rw_reader_interpreter(reader, 1, &interpreter), 0);
    assert_int_equal(interpreter.id, 3);
    assert_int_equal(rw_reader_interpreter(reader, 2, &interpreter), -ENOENT);
    assert_int_equal(rw_reader_interpreter(reader, 64, &interpreter), -ENOENT);

    struct rw_capture capture;
    uint8_t stack[RW_STACK_MAX];
    assert_int_equal(rw_reader_capture(reader, 0, &capture, stack), 0);
    assert_int_equal(capture.stack_length, 512);
    assert_int_equal(stack[511], 0x41);
    assert_int_equal(rw_reader_capture(reader, 1, &capture, stack), -ENOENT);
    rw_reader_close(reader);
}

static void history_is_merged_and_ordered(void **state)
{
    struct fixture *fixture = *state;
    struct rw_slot *slot = &fixture->made.slots[1].slot;
    struct rw_reader *reader = open_good(fixture);
    struct rw_slot copy;
    struct rw_history history;
    assert_int_equal(rw_reader_slot(reader, 1, &copy), 0);
    assert_int_equal(rw_reader_history(reader, 1, &copy, &history), 0);
    assert_int_equal(history.count, 3);
    assert_false(history.is_cut);
    assert_int_equal(history.events[0].kind, RW_EVENT_THREAD_START);
    assert_int_equal(history.events[1].count, 14);
    assert_int_equal(history.events[2].end_ns, 0);
    rw_reader_close(reader);

    /* A full ring: the record that the writer may be at is not believed. */
    for (unsigned i = 0; i < 2 * RW_EVENT_MAX; i++)
        make_event(slot, MADE_START_NS + 100 * MADE_S + i, RW_EVENT_LIBRARY_LOADED, 0, i);
    reader = open_good(fixture);
    assert_int_equal(rw_reader_slot(reader, 1, &copy), 0);
    assert_int_equal(rw_reader_history(reader, 1, &copy, &history), 0);
    assert_true(history.is_cut);
    assert_int_equal(history.count, 2 + RW_EVENT_MAX - 1);
    assert_int_equal(history.events[history.count - 1].arg, 2 * RW_EVENT_MAX - 1);
    assert_int_equal(history.events[2].arg, RW_EVENT_MAX + 1);

    /* The slot is another thread's now: what its former thread did is not told of it. */
    copy.created_ns = MADE_START_NS + 100 * MADE_S + 2 * RW_EVENT_MAX - 2;
    assert_int_equal(rw_reader_history(reader, 1, &copy, &history), 0);
    assert_int_equal(history.count, 2);
    rw_reader_close(reader);
}

static void a_slot_that_changed_is_read_again(void **state)
{
    struct fixture *fixture = *state;
    struct rw_reader *reader = open_good(fixture);
    struct rw_slot *made = &fixture->made.slots[1].slot;
    struct rw_slot slot;
    assert_int_equal(rw_reader_slot(reader, 1, &slot), 0);

    /* An event that does not change the state moves the count of transitions alone. */
    made->transitions = 77;
    scribble(fixture, offset_of(fixture, &made->transitions), &made->transitions, sizeof(made->transitions));
    assert_int_equal(rw_reader_slot(reader, 1, &slot), 0);
    assert_int_equal(slot.transitions, 77);
    assert_int_equal(slot.state, RW_THREAD_WAITING);

    made->sequence += 2;
    made->state = RW_THREAD_EXITED;
    scribble(fixture, offset_of(fixture, made), made, offsetof(struct rw_slot, capture));
    assert_int_equal(rw_reader_slot(reader, 1, &slot), 0);
    assert_int_equal(slot.state, RW_THREAD_EXITED);

    /* Its writer was killed in the middle: what is there is handed out, and called torn. */
    made->sequence++;
    memset(made->name, 'x', sizeof(made->name));
    scribble(fixture, offset_of(fixture, made), made, offsetof(struct rw_slot, capture));
    assert_int_equal(rw_reader_slot(reader, 1, &slot), -EAGAIN);
    assert_int_equal(slot.tid, 4001);
    assert_int_equal(strlen(slot.name), RW_THREAD_NAME_MAX - 1);
    rw_reader_close(reader);
}

static void expect_refusal(struct fixture *fixture, size_t size, int error, const char *message)
{
    struct rw_reader *reader;
    char *why;
    write_recording(&fixture->made, fixture->path, size);
    assert_int_equal(rw_reader_open(fixture->path, &reader, &why), error);
    assert_null(reader);
    assert_string_equal(why, message);
    talloc_free(why);
}

static void refusals_say_why(void **state)
{
    struct fixture *fixture = *state;
    struct rw_header *header = fixture->made.header;
    char message[200];
    expect_refusal(fixture, 0, -EBADMSG, "truncated: the file is empty");
    expect_refusal(fixture, 3, -EBADMSG, "not a recording");
    snprintf(message, sizeof(message), "truncated: 200 bytes, and the header alone takes %zu",
             sizeof(*header));
    expect_refusal(fixture, 200, -EBADMSG, message);

    header->version = RW_RECORDING_VERSION + 1;
    expect_refusal(fixture, SIZE_MAX, -EPROTONOSUPPORT,
                   "a recording of another version (3; this program reads 2)");
    header->version = RW_RECORDING_VERSION;
    header->header_size = 12;
    snprintf(message, sizeof(message),
             "a recording of another build (its header has 12 bytes; this program's has %zu)",
             sizeof(*header));
    expect_refusal(fixture, SIZE_MAX, -EPROTONOSUPPORT, message);
    header->header_size = sizeof(*header);
    header->ready = 0;
    expect_refusal(fixture, SIZE_MAX, -EAGAIN,
                   "not filled in: its process is starting, or died while it did");
    header->ready = 1;
    header->slot_size = 0;
    snprintf(message, sizeof(message), "damaged: its table of slots cannot be (16384 of 0 bytes at %u)",
             header->slot_offset);
    expect_refusal(fixture, SIZE_MAX, -EBADMSG, message);
    header->slot_size = sizeof(struct rw_slot_area);
    header->magic = __builtin_bswap64(header->magic);
    expect_refusal(fixture, SIZE_MAX, -EPROTONOSUPPORT,
                   "a recording made on a machine of another byte order");
    header->magic = 42;
    expect_refusal(fixture, SIZE_MAX, -EBADMSG, "not a recording");
}

static void only_regular_files_are_opened(void **state)
{
    struct fixture *fixture = *state;
    struct rw_reader *reader;
    char *why;
    char link[4200];
    write_recording(&fixture->made, fixture->path, SIZE_MAX);
    snprintf(link, sizeof(link), "%s/link", fixture->folder);
    assert_int_equal(symlink(fixture->path, link), 0);
    assert_int_equal(rw_reader_open(link, &reader, &why), -ELOOP);
    assert_string_equal(why, "not a recording: a symbolic link");
    talloc_free(why);
    unlink(link);
    assert_int_equal(mkfifo(link, 0600), 0);
    assert_int_equal(rw_reader_open(link, &reader, &why), -EBADMSG);
    assert_string_equal(why, "not a recording: not a regular file");
    talloc_free(why);
    unlink(link);
    assert_int_equal(rw_reader_open(link, &reader, &why), -ENOENT);
    assert_string_equal(why, "cannot be opened: No such file or directory");
    talloc_free(why);
}

static void a_truncated_file_gives_what_is_left(void **state)
{
    struct fixture *fixture = *state;
    struct rw_reader *reader = open_good(fixture);
    struct rw_slot slot;
    assert_int_equal(rw_reader_slot(reader, 4, &slot), 0);
    assert_int_equal(
        truncate(fixture->path, fixture->made.header->slot_offset + 2 * sizeof(struct rw_slot_area)), 0);
    assert_int_equal(rw_reader_slot(reader, 4, &slot), -EBADMSG);
    assert_int_equal(rw_reader_slot(reader, 1, &slot), 0);
    assert_int_equal(rw_reader_refresh(reader), 0);
    assert_int_equal(rw_reader_header(reader)->slot_used, 2);
    assert_string_equal(rw_reader_note(reader),
                        "the recording is truncated: 3 of its 5 thread slots are missing");

    assert_int_equal(truncate(fixture->path, 10), 0);
    assert_int_equal(rw_reader_refresh(reader), -EBADMSG);
    assert_int_equal(rw_reader_header(reader)->pid, MADE_PID);
    assert_int_equal(rw_reader_slot(reader, 1, &slot), -EBADMSG);
    uint64_t request;
    assert_int_equal(rw_reader_request_capture(reader, &request), -EBADMSG);
    rw_reader_close(reader);
}

static void a_scribbled_header_is_not_believed(void **state)
{
    struct fixture *fixture = *state;
    struct rw_reader *reader = open_good(fixture);
    uint32_t huge = UINT32_MAX;
    scribble(fixture, offsetof(struct rw_header, slot_used), &huge, sizeof(huge));
    assert_int_equal(rw_reader_refresh(reader), 0);
    assert_int_equal(rw_reader_header(reader)->slot_used, 6);
    scribble(fixture, offsetof(struct rw_header, slot_offset), &huge, sizeof(huge));
    assert_int_equal(rw_reader_refresh(reader), -EBADMSG);
    assert_int_equal(rw_reader_header(reader)->slot_offset, fixture->made.header->slot_offset);
    rw_reader_close(reader);
}

static void the_monitors_words_arrive(void **state)
{
    struct fixture *fixture = *state;
    struct rw_reader *reader = open_good(fixture);
    uint64_t request;
    assert_int_equal(rw_reader_request_capture(reader, &request), 0);
    assert_int_equal(request, 1);
    assert_int_equal(rw_reader_request_capture(reader, &request), 0);
    assert_int_equal(request, 2);
    assert_int_equal(rw_reader_seen(reader, 12345), 0);
    assert_int_equal(rw_reader_refresh(reader), 0);
    assert_int_equal(rw_reader_header(reader)->capture_request, 2);
    assert_int_equal(rw_reader_header(reader)->monitor_seen_ns, 12345);

    /* Another file under the same name is somebody else's. */
    write_recording(&fixture->made, fixture->path, SIZE_MAX);
    assert_int_equal(rw_reader_seen(reader, 5), -ESTALE);
    rw_reader_close(reader);
}

/* A writer that keeps `tid`, `creator_tid` and `since_ns` equal in each state that it completes. */
struct writer {
    struct rw_slot *slot;
    atomic_bool stop;
};

static void *keep_writing(void *argument)
{
    struct writer *writer = argument;
    volatile struct rw_slot *slot = writer->slot;
    for (int value = 1; !atomic_load(&writer->stop); value++) {
        slot->sequence++;
        __atomic_store_n(&slot->tid, value, __ATOMIC_RELAXED);
        slot->since_ns = (uint64_t)value;
        slot->creator_tid = value;
        slot->sequence++;
    }
    return NULL;
}

static void no_torn_state_is_believed(void **state)
{
    struct fixture *fixture = *state;
    struct rw_reader *reader = open_good(fixture);
    int fd = open(fixture->path, O_RDWR | O_CLOEXEC);
    assert_true(fd >= 0);
    unsigned char *map = mmap(NULL, fixture->made.size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    assert_true(map != MAP_FAILED);
    struct writer writer = {.slot = (struct rw_slot *)(map + offset_of(fixture, &fixture->made.slots[1]))};
    *writer.slot = (struct rw_slot){.state = RW_THREAD_RUNNING};
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, keep_writing, &writer), 0);
    while (__atomic_load_n(&writer.slot->tid, __ATOMIC_RELAXED) == 0)
        sched_yield();
    unsigned whole = 0;
    for (int i = 0; i < 20000; i++) {
        struct rw_slot slot;
        int error = rw_reader_slot(reader, 1, &slot);
        assert_true(error == 0 || error == -EAGAIN);
        if (error != 0)
            continue;
        whole++;
        assert_int_equal(slot.tid, slot.creator_tid);
        assert_int_equal(slot.tid, slot.since_ns);
    }
    atomic_store(&writer.stop, true);
    pthread_join(thread, NULL);
    struct rw_slot slot;
    assert_int_equal(rw_reader_slot(reader, 1, &slot), 0); /* at rest it is always whole */
    assert_true(slot.tid == slot.creator_tid && slot.tid > 0);
    print_message("%u of 20000 reads beside a busy writer were whole\n", whole);
    munmap(map, fixture->made.size);
    close(fd);
    rw_reader_close(reader);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(hands_out_what_was_written, set_up, tear_down),
        cmocka_unit_test_setup_teardown(history_is_merged_and_ordered, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_slot_that_changed_is_read_again, set_up, tear_down),
        cmocka_unit_test_setup_teardown(refusals_say_why, set_up, tear_down),
        cmocka_unit_test_setup_teardown(only_regular_files_are_opened, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_truncated_file_gives_what_is_left, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_scribbled_header_is_not_believed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_monitors_words_arrive, set_up, tear_down),
        cmocka_unit_test_setup_teardown(no_torn_state_is_believed, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
