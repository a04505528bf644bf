/* SPDX-License-Identifier: MIT */
#include <stdatomic.h>

static atomic_int is_done;

void search(void);
void search(void)
{
    while (!atomic_load(&is_done)) /* HERE loops */
        ;
}
