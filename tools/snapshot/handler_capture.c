/* SPDX-License-Identifier: MIT */
#include "tools/snapshot/handler_capture.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "tools/recording/reader.h"
#include "tools/snapshot/proc.h"

#define LOOK_NS 500000

static void refuse_all(struct rw_asked *asked, size_t count, const char *why)
{
    for (size_t i = 0; i < count; i++)
        asked[i].why_not = why;
}

/* 0, or why nothing may be sent. */
static const char *check_handler(struct rw_reader *reader, int pid, int tid, int *signal)
{
    struct rw_proc_status status;

    *signal = rw_reader_refresh(reader) < 0 ? 0 : rw_reader_header(reader)->capture_signal;
    if (*signal < 1 || *signal > SIGRTMAX)
        return "the shim has no capture handler installed";
    if (rw_proc_status(pid, tid, &status) < 0 || !(status.caught & UINT64_C(1) << (*signal - 1)))
        return "the capture handler is not installed any more";
    return NULL;
}

static void send(int pid, int signal, struct rw_asked *asked)
{
    struct rw_proc_status status;

    if (rw_proc_status(pid, asked->tid, &status) == 0 && status.blocked & UINT64_C(1) << (signal - 1))
        asked->why_not = "it blocks the capture signal";
    else if (syscall(SYS_tgkill, pid, asked->tid, signal) < 0)
        asked->why_not = errno == ESRCH ? "it is gone" : "the capture signal may not be sent";
}

void rw_handler_capture(struct rw_reader *reader, int pid, struct rw_asked *asked, size_t count,
                        unsigned timeout_ms)
{
    uint8_t *stack;
    uint64_t request;
    size_t open = 0;
    int signal;

    if (count == 0)
        return;
    const char *why = check_handler(reader, pid, asked[0].tid, &signal);
    if (!why && rw_reader_request_capture(reader, &request) < 0)
        why = "its recording cannot be written to, to ask for a copy";
    if (why) {
        refuse_all(asked, count, why);
        return;
    }
    stack = malloc(RW_STACK_MAX);
    for (size_t i = 0; stack && i < count; i++) {
        send(pid, signal, &asked[i]);
        open += asked[i].why_not == NULL;
    }
    unsigned looks = timeout_ms * 1000u / (LOOK_NS / 1000u);
    for (unsigned look = 0; stack && open > 0 && look < looks; look++) {
        nanosleep(&(struct timespec){.tv_nsec = LOOK_NS}, NULL);
        for (size_t i = 0; i < count; i++) {
            struct rw_capture capture;
            if (asked[i].why_not || asked[i].is_answered)
                continue;
            if (rw_reader_capture(reader, asked[i].slot, &capture, stack) == 0 &&
                capture.by == RW_CAPTURE_HANDLER && capture.request == request) {
                asked[i].is_answered = true;
                open--;
            } else if (look == looks / 2) /* a thread that was recording just then keeps silent */
                send(pid, signal, &asked[i]);
        }
    }
    for (size_t i = 0; i < count; i++)
        if (!asked[i].is_answered && !asked[i].why_not)
            asked[i].why_not = "the capture handler did not answer in time";
    free(stack);
}
