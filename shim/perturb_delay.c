/* SPDX-License-Identifier: MIT */
/*
 * Three modes, of which the seed picks one, for no single one finds all races:
 * - site: the seed picks a third of the places in the code, and delays come there alone;
 * - pct: the seed makes some threads slow, and delays them at some kinds of calls (after PCT: Burckhardt et
 * al., ASPLOS 2010);
 * - rand: one call in five, wherever.
 * At one place the first calls are the ones that matter (start, hand-over, end); later ones are mostly one
 * loop.
 */
#include "shim/perturb_delay.h"

#include <signal.h>
#include <time.h>

#include "shim/perturb_gil.h"
#include "shim/perturb_steer.h"
#include "shim/python_hooks.h"
#include "shim/raw.h"
#include "shim/recorder.h"
#include "shim/recording_file.h"
#include "shim/self.h"
#include "shim/text.h"

#define SHORTEST_NS UINT64_C(50000)
#define DOUBLINGS 8 /* up to 12.8 ms */
/* What may be slept altogether: a short program needs something to begin with. */
#define CREDIT_NS UINT64_C(150000000)
#define SHARE 5 /* and a fifth of the time since the process began */

#define SITES 64 /* counters of each thread, by hash of the place */

static struct {
    uint64_t slept_ns; /* by all threads */
    bool is_alone;     /* forked, and made no thread since */
} process;

struct stream {
    struct rw_random random;
    uint64_t place; /* of the thread that this was made for */
    uint64_t normal_mask;
    bool is_slow;
    bool is_busy; /* a signal handler may interrupt */
    uint8_t seen[SITES];
};
static __thread struct stream stream __attribute__((tls_model("initial-exec")));

static uint64_t signal_mask(void)
{
    uint64_t mask = 0;
    rw_raw4(SYS_rt_sigprocmask, SIG_BLOCK, 0, (long)&mask, sizeof mask);
    return mask;
}

/* The seed's own choices, the same in all threads. */
static uint64_t choice(uint64_t what)
{
    struct rw_random random = rw_random_from(rw_perturb_seed, what);
    return rw_random(&random);
}

enum { CHOICE_MODE = 1, CHOICE_LINE = 2, CHOICE_KIND = 0x100, CHOICE_SITE = 0x10000 };
enum mode { SITE, PCT, RAND };

static enum mode mode(void)
{
    static const enum mode of[10] = {SITE, SITE, SITE, SITE, SITE, PCT, PCT, PCT, RAND, RAND};
    return of[choice(CHOICE_MODE) % 10];
}

static void make(uint64_t place)
{
    rw_zero(&stream, sizeof stream);
    stream.random = rw_random_from(rw_perturb_seed, place);
    stream.place = place;
    stream.normal_mask = signal_mask();
    stream.is_slow = rw_random_is(&stream.random, 512);
}

/* Calls of one place fall to one counter: the low 12 bits of an address are the same wherever the module
 * lies. */
static uint32_t site_of(enum rw_delay_kind kind, const void *return_address)
{
    return (uint32_t)((uintptr_t)return_address & 0xfff) | (uint32_t)kind << 12;
}

static uint32_t first_ones_share(uint32_t site)
{
    uint8_t *seen = &stream.seen[rw_random_mix(site) % SITES];
    if (*seen < UINT8_MAX)
        ++*seen;
    return *seen <= 8 ? 614 : *seen <= 64 ? 102 : 10;
}

static bool is_chosen(enum rw_delay_kind kind, const void *return_address)
{
    uint32_t site = site_of(kind, return_address);
    switch (mode()) {
    case SITE:
        return choice(CHOICE_SITE + site) % 3 == 0 && rw_random_is(&stream.random, first_ones_share(site));
    case PCT:
        return stream.is_slow && choice(CHOICE_KIND + kind) % 2 == 0 &&
               rw_random_is(&stream.random, first_ones_share(site));
    default:
        return rw_random_is(&stream.random, 205);
    }
}

uint64_t rw_delay_length(struct rw_random *random)
{
    uint64_t base = SHORTEST_NS << rw_random_below(random, DOUBLINGS);
    return base + rw_random_below(random, (uint32_t)base);
}

/* A signal handler runs with its signal blocked, so one that is blocked beyond those of the thread's begin
 * may mean that this is one. */
static bool is_in_handler(void)
{
    return (signal_mask() & ~stream.normal_mask) != 0;
}

bool rw_delay_may_sleep(uint64_t length_ns)
{
    if (rw_is_confined || !rw_is_recording_own() || rw_is_vfork_child())
        return false;
    uint64_t allowed = CREDIT_NS + (rw_recorder_now() - rw_header->created_ns) / SHARE;
    if (__atomic_add_fetch(&process.slept_ns, length_ns, __ATOMIC_RELAXED) <= allowed)
        return true;
    __atomic_fetch_sub(&process.slept_ns, length_ns, __ATOMIC_RELAXED);
    return false;
}

void rw_delay_sleep(uint64_t length_ns)
{
    const struct timespec length = {(time_t)(length_ns / 1000000000), (long)(length_ns % 1000000000)};
    rw_raw4(SYS_clock_nanosleep, CLOCK_MONOTONIC, 0, (long)&length, 0);
}

/* Who holds the GIL makes all others sleep as well. CPython's own mutexes are the GIL's: perturb_gil.h. */
static bool is_free_to(enum rw_delay_kind kind, const void *return_address)
{
    bool is_for_mutex = kind == RW_DELAY_LOCK || kind == RW_DELAY_WAIT || kind == RW_DELAY_WOKEN;
    return !(is_for_mutex && rw_python_is_caller(return_address)) && !rw_python_is_attached();
}

void rw_delay_at(enum rw_delay_kind kind, const void *return_address)
{
    uint64_t place = rw_place();
    if (place == 0 || stream.is_busy || process.is_alone || *rw_is_single_threaded)
        return;
    stream.is_busy = true;
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    if (stream.place != place)
        make(place), stream.is_busy = true;
    bool is_mutex = kind == RW_DELAY_LOCK;
    if (__builtin_expect(rw_steer_is_on, 0) && (is_mutex || kind == RW_DELAY_TAKE) && !is_in_handler())
        rw_steer_at_call(return_address, is_mutex);
    bool gives_rise = kind == RW_DELAY_CREATED || kind == RW_DELAY_SIGNALLED;
    if (gives_rise && rw_python_is_there() && !is_in_handler() && rw_python_is_attached()) {
        rw_gil_let_come();
    } else if (is_chosen(kind, return_address) && !is_in_handler() && is_free_to(kind, return_address)) {
        uint64_t length = rw_delay_length(&stream.random);
        if (rw_delay_may_sleep(length))
            rw_delay_sleep(length);
    }
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    stream.is_busy = false;
}

/* A stay at a line need not be long: who waits for the interpreter's lock comes at once. So there are many of
 * them, at one line of `share`, which the seed chooses. */
#define LINE_NS 50000

bool rw_delay_is_due_at_line(void)
{
    uint64_t place = rw_place();
    if (place == 0 || stream.is_busy || process.is_alone || *rw_is_single_threaded)
        return false;
    if (stream.place != place)
        make(place);
    uint32_t share = 2u << choice(CHOICE_LINE) % 8;
    return rw_random_below(&stream.random, share) == 0 && rw_delay_may_sleep(LINE_NS);
}

void rw_delay_at_line(void)
{
    rw_delay_sleep(LINE_NS);
}

void rw_delay_forked(void)
{
    process.slept_ns = 0;
    process.is_alone = true;
}

void rw_delay_thread_made(void)
{
    if (process.is_alone)
        process.is_alone = false;
}
