/* SPDX-License-Identifier: MIT */
/* What dlopen_entry.S calls before it goes on in the real function. */
#include "shim/dlopen_count.h"

#include "shim/real.h"
#include "shim/recorder.h"
#include "shim/recording_file.h"
#include "shim/self.h"

static void count(const void *return_address)
{
    if (!rw_is_recording_own())
        return;
    uint64_t generation = __atomic_add_fetch(&rw_header->dl_generation, 1, __ATOMIC_RELEASE);
    rw_record_event(RW_EVENT_LIBRARY_LOADED, 0, generation, return_address);
}

void *rw_dlopen_called(const void *return_address)
{
    count(return_address);
    return (void *)RW_REAL_OF(dlopen);
}

void *rw_dlmopen_called(const void *return_address)
{
    count(return_address);
    return (void *)RW_REAL_OF(dlmopen);
}
