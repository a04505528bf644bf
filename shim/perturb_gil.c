/* SPDX-License-Identifier: MIT */
#include "shim/perturb_gil.h"

#include "shim/perturb_delay.h"
#include "shim/python_hooks.h"
#include "shim/raw.h"

/* The interval of CPython 3.2 to 3.15, DEFAULT_INTERVAL in Python/ceval_gil.c. */
#define INTERVAL_NS INT64_C(5000000)
#define SHORTEST_NS INT64_C(5000)
#define DOUBLINGS 8
#define COMES_SURELY 64 /* rounds */
#define IN_STEP_NS 20000
#define TURN_NS 4000000 /* to 8 ms */
/* Who has waited for so long is asleep as a rule, and not in a race: it waits as it would by itself, which
 * costs little enough to be told from progress. */
#define BENT_FOR_NS INT64_C(200000000)
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
    int64_t since;           /* when it began to wait; of the wait's clock */
    uint64_t waits;          /* of all threads, when its own last began */
    uint32_t takes;          /* times that it had to wait for the GIL */
    uint32_t turn;           /* at which of them it stays away for long */
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
    uint32_t at_once;  /* a waiter asks without waiting */
    uint32_t away;     /* it stays away for a while */
    uint32_t in_step;  /* who got the GIL lets the other ask for it before it goes on */
    uint32_t let_come; /* the same for who made or woke another */
    uint32_t patience; /* no share: rounds that it waits for the other, who may have blocked elsewhere */
    bool is_on;
    bool has_turns;
};

static struct shares shares(void)
{
    static const uint32_t at_once[4] = {128, 512, 1024, 1024}, away[4] = {0, 0, 64, 256},
                          in_step[4] = {0, 512, 1024, 1024}, let_come[4] = {0, 512, 1024, 1024},
                          patience[4] = {4, 24, 64, 64};
    struct rw_random random = rw_random_from(rw_perturb_seed, 2);
    struct shares share;
    share.at_once = at_once[rw_random_below(&random, 4)];
    share.away = away[rw_random_below(&random, 4)];
    share.in_step = in_step[rw_random_below(&random, 4)];
    share.let_come = let_come[rw_random_below(&random, 4)];
    share.patience = patience[rw_random_below(&random, 4)];
    share.is_on = rw_random_below(&random, 8) != 0;
    share.has_turns = rw_random_below(&random, 2) != 0;
    return share;
}

/* From 1 to 63 takes later, near ones as likely as far ones. */
static uint32_t next_turn(void)
{
    uint32_t base = 1u << rw_random_below(&stream.random, 6);
    return stream.takes + base + rw_random_below(&stream.random, base);
}

/* False for a thread without a place. */
static bool begin_stream(void)
{
    const uint64_t place = rw_place();
    if (stream.place != place) {
        stream = (struct stream){.random = rw_random_from(rw_perturb_seed, ~place), .place = place};
        stream.turn = next_turn();
    }
    return place != 0;
}

/* Now and then, or at the turn that was chosen beforehand: one long stay at the right line is worth many
 * short ones (the change points of PCT). */
static uint64_t length_of_stay(const struct shares *share, bool is_new)
{
    stream.takes += is_new;
    if (is_new && share->has_turns && stream.takes == stream.turn) {
        stream.turn = next_turn();
        return TURN_NS + rw_random_below(&stream.random, TURN_NS);
    }
    return rw_random_is(&stream.random, share->away) ? rw_delay_length(&stream.random) : 0;
}

/* Real functions: what the shim itself does is no step of the program. */
static bool stay_away(pthread_mutex_t *mutex, uint64_t length)
{
    if (length == 0 || !rw_delay_may_sleep(length))
        return false;
    real_unlock(mutex);
    rw_delay_sleep(length);
    RW_REAL_OF(pthread_mutex_lock)(mutex);
    return true;
}

bool rw_gil_wait_bent(pthread_mutex_t *mutex, const struct timespec **deadline, struct timespec *sooner,
                      clockid_t clock, const void *return_address)
{
    const struct shares share = shares();
    const int64_t now = now_ns(clock), length = ns_of(*deadline) - now;
    if (!share.is_on || !is_for_gil(return_address, length) || !begin_stream())
        return false;
    if (stream.waited == NULL)
        stream.since = now;
    else if (now - stream.since > BENT_FOR_NS)
        return false;
    if (stay_away(mutex, length_of_stay(&share, stream.waited == NULL)))
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

/* A thread that blocked elsewhere does not come: to wait for it for long would tie one thread to the pace of
 * another, so the seed says for how long. With the GIL held: who sees the number of waits grow knows that
 * somebody waits for it, and by the second one that it has asked: a first wait that ended at once comes
 * before. */
static void let_come(uint64_t seen, uint32_t patience)
{
    for (uint32_t round = 0; round < patience && __atomic_load_n(&waits, __ATOMIC_RELAXED) < seen + 2;
         round++) {
        if (!rw_delay_may_sleep(IN_STEP_CHARGE_NS))
            return;
        rw_delay_sleep(IN_STEP_NS);
    }
}

void rw_gil_left(void)
{
    __atomic_fetch_add(&waits, 2, __ATOMIC_RELAXED);
}

void rw_gil_let_come(void)
{
    const struct shares share = shares();
    if (share.is_on && begin_stream() && rw_random_is(&stream.random, share.let_come))
        let_come(__atomic_load_n(&waits, __ATOMIC_RELAXED), COMES_SURELY);
}

/* In the place of the real function: nothing is asked where no schedule is bent. */
static int unlock(pthread_mutex_t *mutex)
{
    int result = real_unlock(mutex);
    if (stream.waited == mutex) {
        bool has_asked = stream.has_asked;
        stream.waited = NULL;
        stream.has_asked = false;
        /* It has asked, so the other one gave the GIL up where it wants to go on at once, and will ask in
         * turn. */
        const struct shares share = shares();
        if (has_asked && rw_random_is(&stream.random, share.in_step))
            let_come(stream.waits, share.patience);
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
