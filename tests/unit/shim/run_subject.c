/* SPDX-License-Identifier: MIT */
#include "tests/unit/shim/run_subject.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

const char *library_path, *subject_path;
static char session[PATH_MAX];

static void empty_session(void)
{
    const char *base = getenv("TEST_TMPDIR");
    if (session[0] == '\0') {
        snprintf(session, sizeof session, "%s/session-XXXXXX", base ? base : "/tmp");
        assert_non_null(mkdtemp(session));
    }
    DIR *folder = opendir(session);
    assert_non_null(folder);
    for (struct dirent *entry; (entry = readdir(folder));)
        unlinkat(dirfd(folder), entry->d_name, 0);
    closedir(folder);
}

pid_t start_subject(const char *name)
{
    char library[PATH_MAX], where[PATH_MAX + 8];
    empty_session();
    assert_non_null(realpath(library_path, library));
    snprintf(where, sizeof where, "0:%s", session);
    pid_t pid = fork();
    if (pid == 0) {
        setenv("LD_PRELOAD", library, 1);
        setenv("RACEWATCH_SESSION", where, 1);
        unsetenv("RACEWATCH");
        execl(subject_path, subject_path, name, (char *)NULL);
        _exit(127);
    }
    assert_true(pid > 0);
    return pid;
}

int end_of_subject(pid_t pid)
{
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

void kill_subject(pid_t pid)
{
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
}

/* Between two looks. What is awaited is an event in the recording; nothing tells of it but looking. */
static void pause_shortly(void)
{
    const struct timespec millisecond = {.tv_nsec = 1000000};
    nanosleep(&millisecond, NULL);
}

static bool find(pid_t pid, bool is_other, pid_t *found, char *path, size_t size)
{
    DIR *folder = opendir(session);
    assert_non_null(folder);
    bool is_found = false;
    for (struct dirent *entry; !is_found && (entry = readdir(folder));) {
        pid_t its = (pid_t)atoi(entry->d_name);
        const char *ending = strrchr(entry->d_name, '.');
        if (its == 0 || (its == pid) == is_other || !ending || strcmp(ending, ".rec") != 0)
            continue;
        snprintf(path, size, "%s/%s", session, entry->d_name);
        *found = its;
        is_found = true;
    }
    closedir(folder);
    return is_found;
}

struct recording open_recording(pid_t pid)
{
    struct recording recording = {0};
    for (int patience = 10000; patience > 0; patience--, pause_shortly()) {
        char path[2 * PATH_MAX];
        pid_t its;
        struct stat status;
        if (!find(pid, false, &its, path, sizeof path))
            continue;
        int fd = open(path, O_RDWR | O_CLOEXEC);
        assert_true(fd >= 0);
        assert_int_equal(fstat(fd, &status), 0);
        assert_int_equal(status.st_mode & 0777, 0600);
        if (status.st_size < 4096) {
            close(fd);
            continue;
        }
        recording.base = mmap(NULL, (size_t)64 << 20, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        close(fd);
        assert_ptr_not_equal(recording.base, MAP_FAILED);
        recording.header = (const struct rw_header *)recording.base;
        if (__atomic_load_n(&recording.header->ready, __ATOMIC_ACQUIRE)) {
            recording.slots = (const struct rw_slot_area *)(recording.base + recording.header->slot_offset);
            return recording;
        }
        close_recording(&recording);
    }
    fail_msg("no recording of process %d", (int)pid);
    return recording;
}

void close_recording(struct recording *recording)
{
    munmap((void *)(uintptr_t)recording->base, (size_t)64 << 20);
}

void await(const struct recording *recording, bool (*holds)(const struct recording *))
{
    for (int patience = 10000; patience > 0; patience--) {
        if (holds(recording))
            return;
        pause_shortly();
    }
    fail_msg("did not come about within ten seconds");
}

pid_t other_recording(pid_t but)
{
    char path[2 * PATH_MAX];
    pid_t found = 0;
    return find(but, true, &found, path, sizeof path) ? found : 0;
}

const struct rw_test *test_of(const struct recording *recording, unsigned index)
{
    return (const struct rw_test *)(recording->base + recording->header->test_offset) + index;
}
