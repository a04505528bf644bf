/* SPDX-License-Identifier: MIT */
/* Barriers. The last of a party does not block; its wait is over at once. */
#include "shim/lock_order.h"
#include "shim/perturb_delay.h"
#include "shim/real.h"
#include "shim/wait.h"

RW_EXPORT int pthread_barrier_wait(pthread_barrier_t *barrier)
{
    struct rw_wait_scope wait;
    rw_delay(RW_DELAY_TAKE, __builtin_return_address(0));
    rw_order_hands_on(barrier);
    rw_wait_begin(&wait, RW_WAIT_BARRIER, barrier, 0, NULL, 0, __builtin_return_address(0));
    int result = RW_REAL_OF(pthread_barrier_wait)(barrier);
    rw_wait_end(&wait, result == PTHREAD_BARRIER_SERIAL_THREAD ? 0 : result);
    rw_order_got(barrier, __builtin_return_address(0));
    rw_delay(RW_DELAY_TAKEN, __builtin_return_address(0));
    return result;
}
