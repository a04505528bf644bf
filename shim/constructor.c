/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include "shim/begin.h"
#include "shim/crash.h"
#include "shim/lock_order.h"
#include "shim/lock_pipes.h"
#include "shim/maps_file.h"
#include "shim/perturb.h"
#include "shim/python_hooks.h"
#include "shim/raw.h"
#include "shim/real.h"
#include "shim/recorder.h"
#include "shim/recording_file.h"
#include "shim/serial.h"
#include "shim/session_begin.h"
#include "shim/slot.h"
#include "shim/test_table.h"
#include "shim/text.h"
#include "shim/thread.h"
#include "shim/wrap_mutex.h"

/* Below the main thread's stack the kernel maps nothing within this distance, whatever the limit: the
 * smallest gap in mmap_base(), arch/x86/mm/mmap.c. */
#define MAIN_STACK_MAX (UINT64_C(128) << 20)

static void know_stacks(void)
{
    struct rlimit limit = {0};
    if (rw_real.stack_end && rw_raw4(SYS_prlimit64, 0, RLIMIT_STACK, 0, (long)&limit) == 0) {
        rw_self.stack_top = (uintptr_t)rw_real.stack_end;
        rw_self.stack_low =
            rw_self.stack_top - (limit.rlim_cur < MAIN_STACK_MAX ? limit.rlim_cur : MAIN_STACK_MAX);
    }
    pthread_attr_t attributes;
    if (pthread_getattr_default_np(&attributes) == 0) {
        pthread_attr_getstacksize(&attributes, &rw_default_stack_size);
        pthread_attr_destroy(&attributes);
    }
}

static void say(const char *what, const char *detail, int error, const char *consequence)
{
    static char line[PATH_MAX + 512];
    struct rw_text text;
    rw_text_begin(&text, line, sizeof line);
    rw_text_add(&text, "racewatch: ");
    rw_text_add(&text, what);
    if (detail) {
        rw_text_add(&text, " ");
        rw_text_add(&text, detail);
    }
    const char *reason = error != 0 ? strerrordesc_np(-error) : NULL;
    if (reason) {
        rw_text_add(&text, ": ");
        rw_text_add(&text, reason);
    }
    rw_text_add(&text, consequence);
    rw_text_add(&text, "\n");
    rw_say(line);
}

/* What the process inherited from the one that started it, and what children are to inherit. */
static void describe_process(void)
{
    rw_raw3(SYS_readlink, (long)"/proc/self/exe", (long)rw_header->executable,
            sizeof rw_header->executable - 1);
    const char *test = getenv(RW_TEST_VARIABLE);
    if (test) {
        struct rw_slot *slot = &rw_self.area->slot;
        rw_write_begin(&slot->sequence);
        rw_test_name(slot->test, test);
        rw_write_end(&slot->sequence);
        rw_copy(rw_header->test, slot->test, sizeof rw_header->test);
    }
}

static struct rw_shim_options options;

/* A program that has changed its user, and executes another, is part of a session whose folder is closed to
 * it: it may begin one of its own, but no line of ours is to be among its output where it cannot. */
static bool is_session_closed;

static void refuse_session(const char *what, const char *detail, int error)
{
    if (!rw_session_is_refused(options.dir) && !is_session_closed)
        say(what, detail, error, "; the program runs unwatched");
    rw_session_refuse(options.dir);
}

static bool begin_session(void)
{
    bool is_made;
    const char *culprit;
    if (options.is_help && !rw_session_is_refused_anywhere())
        rw_shim_options_print();
    if (options.unknown[0] != '\0' && !rw_session_is_refused_anywhere())
        say("unknown key in RACEWATCH_OPTIONS, ignored (help=1 prints them all):", options.unknown, 0, "");
    int result = rw_session_begin(&options, &is_made, &culprit);
    if (result != 0) {
        refuse_session("cannot make the folder", culprit, result);
        return false;
    }
    result = rw_begin_recording(&rw_self);
    if (result != 0) {
        refuse_session("cannot make a recording in", rw_session.folder, result);
        rw_session_undo(is_made);
        return false;
    }
    result = rw_monitor_start(&options, is_made);
    rw_header->monitor_pid = rw_session.monitor_pid;
    if (result != 0)
        say(options.monitor[0] != '\0' ? "cannot start the monitor"
                                       : "cannot start the monitor, the racewatch program",
            options.monitor[0] != '\0' ? options.monitor
                                       : "(looked beside the library, in ../tools and in ../bin)",
            result, "; the program is recorded, hangs are found by `racewatch report` only");
    rw_session_export();
    return true;
}

/* The run's monitor says it, in the end: what its processes print is the program's. */
static void leave_refusal(int error)
{
    char path[PATH_MAX], number[16];
    struct rw_text text;
    rw_text_begin(&text, number, sizeof number);
    rw_text_add_decimal(&text, (uint64_t)error);
    rw_text_begin(&text, path, sizeof path);
    rw_text_add(&text, rw_session.folder);
    rw_text_add(&text, "/" RW_REFUSAL_NAME);
    rw_raw3(SYS_symlink, (long)number, (long)path, 0);
}

/* The monitor of a session may take its folder away just before we record in it. */
static bool begin(void)
{
    int joined = rw_session_join();
    is_session_closed = joined == -EACCES;
    int result = joined == 0 ? rw_begin_recording(&rw_self) : -ENOENT;
    if (result == 0 || result == -ENOENT)
        return result == 0 || begin_session();
    leave_refusal(-result);
    return false;
}

__attribute__((constructor)) static void construct(void)
{
    int kept = errno;
    const char *missing = rw_real_resolve();
    const char *off = getenv("RACEWATCH");
    if (getauxval(AT_SECURE) || (off && rw_text_equal(off, "0")) || rw_live != NULL ||
        rw_live_prepare() != 0) {
        errno = kept;
        return;
    }
    know_stacks();
    rw_self.is_busy = true;
    rw_shim_options_read(&options);
    rw_recording_has_locks = options.is_recording_locks;
    if (options.is_lock_order_watched)
        rw_lock_order_prepare();
    bool is_on = begin();
    if (is_on) {
        describe_process();
        rw_perturb_begin(&options);
    }
    rw_self.is_busy = false;
    if (is_on) {
        rw_allow_monitor();
        if (rw_perturb_mode == RW_PERTURB_SERIAL)
            rw_maps_save(); /* the monitor may come too late to name the places of choices */
        else
            rw_maps_save_unless_watched();
        if (missing)
            rw_record_problem(ENOENT, "libc has no such function to wrap", missing);
        rw_capture_signal_prepare();
        if (options.is_crash_told)
            rw_crash_prepare();
        rw_python_hooks_install();
        if (rw_lock_order_on)
            rw_lock_pipes_install();
        if (rw_perturb_mode == RW_PERTURB_SERIAL)
            rw_serial_begin(rw_perturb_seed, options.replay);
        __atomic_store_n(&rw_header->ready, 1, __ATOMIC_RELEASE);
    }
    rw_mutex_begin();
    errno = kept;
}
