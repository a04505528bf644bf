/* SPDX-License-Identifier: MIT */
/* RACEWATCH_OPTIONS of anybody's, as the library reads it in every process, and the tools. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <talloc.h>

#include "shim/shim_options.h"
#include "tests/fuzz/fuzz.h"
#include "tools/options/options.h"

static void ends(const char *string, size_t size)
{
    assert(memchr(string, '\0', size) != NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static struct rw_shim_options shim;
    char *text = malloc(size + 1);
    if (text == NULL)
        abort();
    memcpy(text, bytes, size);
    text[size] = '\0';
    setenv("RACEWATCH_OPTIONS", text, 1);
    setenv("RACEWATCH_DIR", text, 1);
    setenv("TEST_TIMEOUT", text, 1);
    memset(&shim, 0, sizeof(shim));
    rw_shim_options_read(&shim);
    ends(shim.dir, sizeof(shim.dir));
    ends(shim.monitor, sizeof(shim.monitor));
    ends(shim.replay, sizeof(shim.replay));
    ends(shim.steer, sizeof(shim.steer));
    ends(shim.unknown, sizeof(shim.unknown));
    assert(shim.dir[0] != '\0');

    struct rw_options *options = rw_options_new(NULL), *again = rw_options_new(NULL);
    rw_options_from_environment(options, fuzz_nowhere());
    assert(options->timeout >= 0 && options->on_hang != NULL);
    /* What is handed on to a child means the same there. */
    char *handed_on = rw_options_string(options, options);
    setenv("RACEWATCH_OPTIONS", handed_on, 1);
    rw_options_from_environment(again, fuzz_nowhere());
    assert(strcmp(rw_options_string(again, again), handed_on) == 0);
    talloc_free(options);
    talloc_free(again);
    free(text);
    return 0;
}
