/* SPDX-License-Identifier: MIT */
#include "shim/perturb_gil.h"

#include "shim/perturb_delay.h"
#include "shim/python_hooks.h"
#include "shim/raw.h"

/* The interval of CPython 3.2 to 3.15, DEFAULT_INTERVAL in Python/ceval_gil.c. */
#define INTERVAL_NS INT64_C(5000000)
#define SHORTEST_NS INT64_C(5000)
#define DOUBLINGS 8
/* How long who took the GIL waits for the other to come: a few context switches. */
#define IN_STEP_ROUNDS 12
#define IN_STEP_NS 20000
#define IN_STEP_CHARGE_NS 75000 /* with the timer's slack, 50 us */

static uint64_t waits;
static int (*real_unlock)(pthread_mutex_t *);
static const void *place_in_code; /* the return address of a wait that was recognised */

struct stream {
    struct rw_random random;
    uint64_t place;
    bool asked_at_once;
    bool has_asked;          /* since it began to wait */
    pthread_mutex_t *waited; /* the GIL's mutex, from a wait until it is unlocked: the GIL is taken then */
    uint64_t waits;          /* of all threads, when its own last began */
};
static __thread struct stream stream __attribute__((tls_model("initial-exec")));

static int64_t ns_of(const struct timespec *time)
{
    return (int64_t)time->tv_sec * 1000000000 + time->tv_nsec;
}

static int64_t now_ns(clockid_t clock)
{
    struct timespec now = {0};
    if (!rw_real.clock_gettime || rw_real.clock_gettime(clock, &now) != 0)
        rw_raw3(SYS_clock_gettime, clock, (long)&now, 0);
    return ns_of(&now);
}

/* The first wait of all shows where the interpreter waits for the GIL: it is Python's own, and of that
 * length. A program that changed the interval before is let alone. */
static bool is_for_gil(const void *return_address, int64_t length)
{
    if (!rw_python_is_caller(return_address))
        return false;
    if (length > INTERVAL_NS * 4 / 5 && length <= INTERVAL_NS)
        __atomic_store_n(&place_in_code, return_address, __ATOMIC_RELAXED);
    return return_address == __atomic_load_n(&place_in_code, __ATOMIC_RELAXED);
}

/* How often of 1024 times, as the seed has it. */
struct shares {
    uint32_t at_once;
    uint32_t away;
    uint32_t in_step;
    bool is_on;
};

static struct shares shares(void)
{
    static const uint32_t at_once[4] = {0, 128, 512, 1024}, away[4] = {0, 16, 64, 256},
                          in_step[4] = {0, 256, 768, 1024};
    struct rw_random random = rw_random_from(rw_perturb_seed, 2);
    return (struct shares){
        at_once[rw_random_below(&random, 4)],
        away[rw_random_below(&random, 4)],
        in_step[rw_random_below(&random, 4)],
        rw_random_below(&random, 8) != 0,
    };
}

/* Real functions: what the shim itself does is no step of the program. */
static bool stay_away(pthread_mutex_t *mutex)
{
    uint64_t length = rw_delay_length(&stream.random);
    if (!rw_delay_may_sleep(length))
        return false;
    real_unlock(mutex);
    rw_delay_sleep(length);
    RW_REAL_OF(pthread_mutex_lock)(mutex);
    return true;
}

uint64_t rw_gil_waits(void)
{
    return __atomic_load_n(&waits, __ATOMIC_RELAXED);
}

bool rw_gil_wait_bent(pthread_mutex_t *mutex, const struct timespec **deadline, struct timespec *sooner,
                      clockid_t clock, const void *return_address)
{
    const uint64_t place = rw_place();
    const struct shares share = shares();
    const int64_t now = now_ns(clock), length = ns_of(*deadline) - now;
    if (place == 0 || !share.is_on || !is_for_gil(return_address, length))
        return false;
    if (stream.place != place)
        stream = (struct stream){.random = rw_random_from(rw_perturb_seed, ~place), .place = place};
    if (rw_random_is(&stream.random, share.away) && stay_away(mutex))
        return true;
    stream.waits = __atomic_add_fetch(&waits, 1, __ATOMIC_RELAXED);
    stream.waited = mutex;
    /* Having asked, it waits a little: who holds the GIL needs its mutex to give it up. */
    stream.asked_at_once = !stream.asked_at_once && rw_random_is(&stream.random, share.at_once);
    stream.has_asked |= stream.asked_at_once;
    int64_t base = SHORTEST_NS << rw_random_below(&stream.random, DOUBLINGS);
    int64_t wanted = stream.asked_at_once ? 0 : base + rw_random_below(&stream.random, (uint32_t)base);
    if (wanted < length) {
        sooner->tv_sec = (time_t)((now + wanted) / 1000000000);
        sooner->tv_nsec = (long)((now + wanted) % 1000000000);
        *deadline = sooner;
    }
    return false;
}

/* It has asked, so the other one gave the GIL up at a point where it wants to go on at once, and will ask in
 * turn. */
static void wait_for_other(void)
{
    for (int round = 0; round < IN_STEP_ROUNDS && rw_gil_waits() == stream.waits; round++) {
        if (!rw_delay_may_sleep(IN_STEP_CHARGE_NS))
            return;
        rw_delay_sleep(IN_STEP_NS);
    }
}

/* In the place of the real function: nothing is asked where no schedule is bent. */
static int unlock(pthread_mutex_t *mutex)
{
    int result = real_unlock(mutex);
    if (stream.waited == mutex) {
        bool has_asked = stream.has_asked;
        stream.waited = NULL;
        stream.has_asked = false;
        if (has_asked && rw_random_is(&stream.random, shares().in_step))
            wait_for_other();
    } else if (!rw_python_is_there()) {
        rw_delay_at(RW_DELAY_UNLOCKED, mutex);
    }
    return result;
}

void rw_gil_begin(void)
{
    real_unlock = RW_REAL_OF(pthread_mutex_unlock);
    rw_real.pthread_mutex_unlock = unlock;
}
