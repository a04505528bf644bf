/* SPDX-License-Identifier: MIT */
#include "shim/perturb_steer.h"

#include <stdint.h>

#include "shim/lock_order.h"
#include "shim/perturb_delay.h"
#include "shim/python_hooks.h"
#include "shim/self.h"
#include "shim/text.h"

#define LINES_MAX 16u
#define SLICE_NS UINT64_C(500000)
#define SLICES_LEAST 40u /* 20 ms, to 320 ms */
#define DOUBLINGS 4
/* A thread waits so often; and all of them for so many slices: whoever has not come by then does not come. */
#define MEETINGS_MAX 16u
#define SLICES_MAX 6000u

bool rw_steer_is_on;

static struct {
    uint32_t parties;
    uint64_t calls[4096 / 64]; /* a bit for each of the low 12 bits */
    uint32_t lines[LINES_MAX];
    uint32_t line_count;
    bool is_gil;
} wanted;

static uint32_t present, meetings, slices; /* atomic */

struct stream {
    struct rw_random random;
    uint64_t place;
    uint32_t count;
};
static __thread struct stream stream __attribute__((tls_model("initial-exec")));

static uint32_t hexadecimal(const char *text)
{
    uint32_t value = 0;
    for (;; text++) {
        if (*text >= '0' && *text <= '9')
            value = value << 4 | (uint32_t)(*text - '0');
        else if (*text >= 'a' && *text <= 'f')
            value = value << 4 | (uint32_t)(*text - 'a' + 10);
        else
            return value;
    }
}

static void read_call(const char *word)
{
    uint64_t line;
    uint32_t bits = hexadecimal(word + 1) & 4095;
    if (word[0] == 'g')
        wanted.is_gil = true;
    else if (word[0] == 'n')
        wanted.calls[bits / 64] |= UINT64_C(1) << bits % 64;
    else if (word[0] == 'p' && wanted.line_count < LINES_MAX && rw_text_read_decimal(word + 1, &line))
        wanted.lines[wanted.line_count++] = (uint32_t)line;
}

void rw_steer_begin(const char *list)
{
    uint64_t parties = 0;
    const char *word = rw_text_read_decimal(list, &parties);
    while (word && *word == ',') {
        read_call(++word);
        while (*word != '\0' && *word != ',')
            word++;
    }
    wanted.parties = (uint32_t)parties;
    rw_steer_is_on = parties >= 2 && rw_lock_order_on && rw_perturb_mode == RW_PERTURB_DELAY;
}

/* For how long, as the seed has it; 0: not at all. */
static uint32_t patience(void)
{
    const uint64_t place = rw_place();
    if (stream.place != place)
        stream = (struct stream){.random = rw_random_from(rw_perturb_seed, place + 1), .place = place};
    if (place == 0 || ++stream.count > MEETINGS_MAX || rw_random_is(&stream.random, 128))
        return 0;
    return SLICES_LEAST << rw_random_below(&stream.random, DOUBLINGS + 1);
}

/* Who cannot wait, because all others would have to, completes a meeting that wants no more than one. */
static void meet(bool may_wait)
{
    uint32_t before = __atomic_load_n(&meetings, __ATOMIC_ACQUIRE);
    if (__atomic_add_fetch(&present, 1, __ATOMIC_ACQ_REL) >= wanted.parties) {
        __atomic_fetch_add(&meetings, 1, __ATOMIC_RELEASE);
    } else if (may_wait) {
        for (uint32_t left = patience(); left > 0 && __atomic_load_n(&meetings, __ATOMIC_ACQUIRE) == before &&
                                         __atomic_add_fetch(&slices, 1, __ATOMIC_RELAXED) < SLICES_MAX;
             left--)
            rw_delay_sleep(SLICE_NS);
    }
    __atomic_fetch_sub(&present, 1, __ATOMIC_ACQ_REL);
}

static bool may_meet(void)
{
    return !rw_is_confined && rw_is_recording_own() && !rw_is_vfork_child();
}

void rw_steer_at_call(const void *return_address, bool is_mutex)
{
    unsigned holding = rw_order_held();
    uint32_t bits = (uint32_t)((uintptr_t)return_address & 4095);
    if (holding == 0)
        return;
    /* The interpreter's own mutexes are a GIL's, and who has it does not ask for it. */
    bool is_it = rw_python_is_caller(return_address) ? wanted.is_gil && is_mutex && !(holding & RW_HOLDS_GIL)
                                                     : (wanted.calls[bits / 64] >> bits % 64 & 1) != 0;
    if (is_it && may_meet())
        meet(!(holding & RW_HOLDS_GIL));
}

void rw_steer_at_python(void)
{
    struct rw_lock_frame frame;
    bool is_it = false;
    if (!(rw_order_held() & RW_HOLDS_OTHERS) || rw_python_frames(true, &frame, 1) == 0)
        return;
    for (uint32_t i = 0; i < wanted.line_count; i++)
        is_it |= wanted.lines[i] == (uint32_t)frame.line;
    if (!is_it || !may_meet())
        return;
    void *state = rw_python_give_up();
    meet(state != NULL);
    rw_python_take_back(state);
}
