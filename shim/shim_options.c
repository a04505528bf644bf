/* SPDX-License-Identifier: MIT */
#include "shim/shim_options.h"

#include <signal.h>
#include <stdlib.h>
#include <time.h>

#include "shim/raw.h"
#include "shim/text.h"

#define RW_OPTION(key, type, default_value, help) {#key, default_value, help},
static const struct {
    const char *key;
    const char *default_value;
    const char *help;
} table[] = {
#include "shim/options.def"
};
#undef RW_OPTION

static bool is_known(const char *key, size_t length)
{
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        if (rw_text_length(table[i].key) == length) {
            const char *after = rw_text_after(key, table[i].key);
            if (after)
                return true;
        }
    }
    return false;
}

static void set(char *buffer, size_t size, const char *value, size_t length)
{
    struct rw_text text;
    rw_text_begin(&text, buffer, size);
    rw_text_add_bytes(&text, value, length);
}

static void read_mode(struct rw_shim_options *options, const char *value, size_t length)
{
    static const char *const words[] = {
        [RW_PERTURB_OFF] = "off", [RW_PERTURB_DELAY] = "delay", [RW_PERTURB_SERIAL] = "serial"};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (rw_text_length(words[i]) == length && rw_text_after(value, words[i]))
            options->perturb = (enum rw_perturb_mode)i;
    }
}

static void read_one(struct rw_shim_options *options, const char *item, size_t length)
{
    size_t key_length = 0;
    while (key_length < length && item[key_length] != '=')
        key_length++;
    bool has_value = key_length < length;
    const char *value = item + key_length + has_value;
    size_t value_length = length - key_length - has_value;
    if (!is_known(item, key_length)) {
        if (options->unknown[0] == '\0')
            set(options->unknown, sizeof options->unknown, item, key_length);
    } else if (key_length == 3 && rw_text_after(item, "dir")) {
        set(options->dir, sizeof options->dir, value, value_length);
    } else if (key_length == 7 && rw_text_after(item, "monitor")) {
        set(options->monitor, sizeof options->monitor, value, value_length);
    } else if (key_length == 7 && rw_text_after(item, "perturb")) {
        read_mode(options, value, value_length);
        options->is_perturb_given = true;
    } else if (key_length == 4 && rw_text_after(item, "seed")) {
        if (rw_text_read_decimal(value, &options->seed) && !options->is_perturb_given)
            options->perturb = RW_PERTURB_DELAY;
    } else if (key_length == 5 && rw_text_after(item, "crash")) {
        options->is_crash_told = !(value_length == 1 && value[0] == '0');
    } else if (key_length == 11 && rw_text_after(item, "lock_owners")) {
        options->is_recording_locks = !(value_length == 1 && value[0] == '0');
    } else if (key_length == 10 && rw_text_after(item, "lock_order")) {
        options->is_lock_order_watched = !(value_length == 1 && value[0] == '0');
    } else if (key_length == 6 && rw_text_after(item, "replay")) {
        set(options->replay, sizeof options->replay, value, value_length);
    } else if (key_length == 5 && rw_text_after(item, "steer")) {
        set(options->steer, sizeof options->steer, value, value_length);
    } else if (key_length == 4 && rw_text_after(item, "help")) {
        options->is_help = !(value_length == 1 && value[0] == '0');
    }
}

void rw_shim_options_read(struct rw_shim_options *options)
{
    static const char *const folders[] = {"RACEWATCH_DIR", "TEST_UNDECLARED_OUTPUTS_DIR"};
    options->is_crash_told = true;
    const char *at = getenv("RACEWATCH_OPTIONS");
    while (at && *at != '\0') {
        size_t length = 0;
        while (at[length] != '\0' && at[length] != ':')
            length++;
        if (length > 0)
            read_one(options, at, length);
        at += length + (at[length] == ':');
    }
    for (size_t i = 0; i < 2 && options->dir[0] == '\0'; i++) {
        const char *folder = getenv(folders[i]);
        if (folder)
            rw_text_copy(options->dir, sizeof options->dir, folder);
    }
    for (size_t i = 0; i < sizeof table / sizeof table[0] && options->dir[0] == '\0'; i++) {
        if (rw_text_equal(table[i].key, "dir"))
            rw_text_copy(options->dir, sizeof options->dir, table[i].default_value);
    }
}

void rw_shim_options_print(void)
{
    char line[512];
    struct rw_text text;
    rw_say("racewatch: keys of RACEWATCH_OPTIONS=\"key=value:key=value\"\n");
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        rw_text_begin(&text, line, sizeof line - 1);
        rw_text_add(&text, "  ");
        rw_text_add(&text, table[i].key);
        rw_text_add(&text, "=");
        rw_text_add(&text, table[i].default_value);
        rw_text_add(&text, "  ");
        rw_text_add(&text, table[i].help);
        text.size++;
        rw_text_add(&text, "\n");
        rw_say(line);
    }
}

/* What the write may raise, of a pipe that nobody reads or a file that may not grow, is held back, and taken
 * off again before it can be delivered. */
void rw_say(const char *line)
{
    static const struct timespec at_once = {0, 0};
    uint64_t raised = UINT64_C(1) << (SIGPIPE - 1) | UINT64_C(1) << (SIGXFSZ - 1), before, pending = 0;
    rw_raw4(SYS_rt_sigprocmask, SIG_BLOCK, (long)&raised, (long)&before, sizeof raised);
    rw_raw3(SYS_rt_sigpending, (long)&pending, sizeof pending, 0);
    rw_raw3(SYS_write, 2, (long)line, (long)rw_text_length(line));
    raised &= ~pending;
    if (raised != 0)
        rw_raw4(SYS_rt_sigtimedwait, (long)&raised, 0, (long)&at_once, sizeof raised);
    rw_raw4(SYS_rt_sigprocmask, SIG_SETMASK, (long)&before, 0, sizeof before);
}
