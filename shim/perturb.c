/* SPDX-License-Identifier: MIT */
#include "shim/perturb.h"

#include <stdlib.h>

#include "shim/perturb_after.h"
#include "shim/perturb_gil.h"
#include "shim/perturb_steer.h"
#include "shim/self.h"
#include "shim/shim_options.h"
#include "shim/text.h"

#define ROOT UINT64_C(1)
#define LIST_MAX 4096 /* it goes on the stack */

enum rw_perturb_mode rw_perturb_mode;
uint64_t rw_perturb_seed;

static uint64_t inherited_place(void)
{
    const char *text = getenv(RW_PLACE_VARIABLE);
    uint64_t place = 0;
    for (; text && *text != '\0'; text++) {
        unsigned digit = (unsigned)*text - '0';
        if (digit > 9)
            digit = (unsigned)*text - 'a' + 10;
        if (digit > 15)
            return ROOT;
        place = place << 4 | digit;
    }
    return place != 0 ? place : ROOT;
}

static void write_entry(char *entry, uint64_t place)
{
    struct rw_text text;
    rw_text_begin(&text, entry, RW_PLACE_ENTRY);
    rw_text_add(&text, RW_PLACE_VARIABLE "=");
    for (int shift = 60; shift >= 0; shift -= 4)
        rw_text_add_hex(&text, place >> shift & 15);
}

void rw_perturb_begin(const struct rw_shim_options *options)
{
    rw_place_take(inherited_place());
    if (options->perturb == RW_PERTURB_OFF)
        return;
    char entry[RW_PLACE_ENTRY];
    write_entry(entry, rw_self.place);
    RW_REAL_OF(setenv)(RW_PLACE_VARIABLE, entry + sizeof RW_PLACE_VARIABLE, 1);
    rw_perturb_seed = options->seed;
    if (options->perturb == RW_PERTURB_DELAY) {
        rw_gil_begin();
        rw_delay_after_begin();
    }
    rw_perturb_mode = options->perturb;
    rw_steer_begin(options->steer);
}

uint64_t rw_place(void)
{
    return rw_self.place;
}

uint64_t rw_place_next(void)
{
    struct rw_self *self = &rw_self;
    if (self->place == 0)
        return 0;
    uint64_t place = rw_random_mix(self->place + UINT64_C(0x9e3779b97f4a7c15) * ++self->made);
    return place != 0 ? place : ROOT;
}

void rw_place_take(uint64_t place)
{
    rw_self.place = place;
    rw_self.made = 0;
}

size_t rw_place_entries(char *const environment[])
{
    size_t count = 0;
    while (rw_perturb_mode != RW_PERTURB_OFF && environment && environment[count])
        count++;
    return count < LIST_MAX ? count + 1 : 1;
}

char *const *rw_place_environment(char *const environment[], char *list[], char *entry)
{
    size_t count = rw_place_entries(environment), i = 0;
    bool is_there = false;
    if (count == 1)
        return environment;
    for (; environment[i]; i++) {
        bool is_it = rw_text_after(environment[i], RW_PLACE_VARIABLE "=") != NULL;
        list[i] = is_it ? entry : environment[i];
        is_there |= is_it;
    }
    list[i] = NULL;
    if (!is_there)
        return environment;
    write_entry(entry, rw_place_next());
    return list;
}
