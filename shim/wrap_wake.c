/* SPDX-License-Identifier: MIT */
/* Signals of condition variables. Nothing is recorded of them: they are wrapped for lock order, which must
 * know what came before what, and for serial mode, which puts its own functions into rw_real; else each is a
 * jump. */
#include "shim/lock_order.h"
#include "shim/real.h"

#define VERSION(function, symbol) __asm__(".symver " #function ", " symbol)

RW_EXPORT int rw_cond_signal_2_3_2(pthread_cond_t *condition);
RW_EXPORT int rw_cond_broadcast_2_3_2(pthread_cond_t *condition);
RW_EXPORT int rw_cond_signal_2_2_5(pthread_cond_t *condition);
RW_EXPORT int rw_cond_broadcast_2_2_5(pthread_cond_t *condition);

VERSION(rw_cond_signal_2_3_2, "pthread_cond_signal@@@GLIBC_2.3.2");
int rw_cond_signal_2_3_2(pthread_cond_t *condition)
{
    rw_order_signals(condition, __builtin_return_address(0));
    return RW_REAL_OF(pthread_cond_signal)(condition);
}

VERSION(rw_cond_broadcast_2_3_2, "pthread_cond_broadcast@@@GLIBC_2.3.2");
int rw_cond_broadcast_2_3_2(pthread_cond_t *condition)
{
    rw_order_signals(condition, __builtin_return_address(0));
    return RW_REAL_OF(pthread_cond_broadcast)(condition);
}

VERSION(rw_cond_signal_2_2_5, "pthread_cond_signal@GLIBC_2.2.5, remove");
int rw_cond_signal_2_2_5(pthread_cond_t *condition)
{
    rw_order_signals(condition, __builtin_return_address(0));
    return RW_REAL_OF(pthread_cond_signal_2_2_5)(condition);
}

VERSION(rw_cond_broadcast_2_2_5, "pthread_cond_broadcast@GLIBC_2.2.5, remove");
int rw_cond_broadcast_2_2_5(pthread_cond_t *condition)
{
    rw_order_signals(condition, __builtin_return_address(0));
    return RW_REAL_OF(pthread_cond_broadcast_2_2_5)(condition);
}

RW_EXPORT int cnd_signal(cnd_t *condition)
{
    rw_order_signals(condition, __builtin_return_address(0));
    return RW_REAL_OF(cnd_signal)(condition);
}

RW_EXPORT int cnd_broadcast(cnd_t *condition)
{
    rw_order_signals(condition, __builtin_return_address(0));
    return RW_REAL_OF(cnd_broadcast)(condition);
}
