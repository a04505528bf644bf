/* SPDX-License-Identifier: MIT */
/*
 * What the holder of the token does when nobody can run, and what the others do when the holder does not
 * move. The only parts of the model that look at the real time.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <sys/wait.h>

#include "shim/raw.h"
#include "shim/recorder.h"
#include "shim/recording_file.h"
#include "shim/self.h"
#include "shim/serial_log.h"
#include "shim/serial_token.h"
#include "shim/text.h"

#define MS UINT64_C(1000000)
/* A holder that makes no point for so long, and sleeps: it waits where the model does not see. */
#define STUCK_NS (20 * MS)
/* One that computes keeps the token longer: mostly it comes to a point by itself. */
#define SPINNING_NS (300 * MS)
/* One that has been given the token and has no processor yet: it comes, unless a signal handler spins. */
#define COMING_NS (3000 * MS)
#define FIRST_NAP_NS (MS / 20)
#define LAST_NAP_NS (5 * MS)
#define STUCK_NAP_NS (999 * MS)
#define LIE_DOWN_NS (1000 * MS) /* at most */

static uint64_t nap_ns = FIRST_NAP_NS;

static bool has_children(void)
{
    return rw_raw6(SYS_waitid, P_ALL, 0, 0, WEXITED | WNOHANG | WNOWAIT, 0, 0) != -ECHILD;
}

/* True if something may happen that no thread of the model does: time must not outrun it. */
static bool has_outside(void)
{
    for (uint32_t i = 0; i < rw_serial.used; i++) {
        const struct rw_serial_thread *thread = &rw_serial.threads[i];
        if (thread->state == RW_SERIAL_OUTSIDE || (thread->state == RW_SERIAL_BLOCKED && thread->is_fd))
            return true;
    }
    return rw_serial.has_strangers || has_children();
}

/* 0: somebody could run again. */
static void tell_stuck(uint64_t ns)
{
    if (rw_header && rw_is_recording_own() && rw_header->serial_stuck_ns != ns &&
        (ns == 0 || rw_header->serial_stuck_ns == 0))
        __atomic_store_n(&rw_header->serial_stuck_ns, ns, __ATOMIC_RELEASE);
}

/* Of those that wait for the token some nap a last time, and would move while somebody looks at them. */
static bool is_anybody_up(const struct rw_serial_thread *self, bool is_to_lie_down)
{
    bool is_up = false;
    for (uint32_t i = 0; i < rw_serial.used; i++) {
        struct rw_serial_thread *thread = &rw_serial.threads[i];
        if (thread == self || thread->state != RW_SERIAL_BLOCKED || !thread->word ||
            __atomic_load_n(&thread->is_on_word, __ATOMIC_RELAXED))
            continue;
        is_up = true;
        if (is_to_lie_down)
            rw_serial_tell(thread);
    }
    return is_up;
}

static int sleep_until_told(const struct rw_serial_thread *self, uint32_t go, uint64_t ns)
{
    const struct timespec length = {.tv_nsec = (long)ns};
    return (int)rw_raw4(SYS_futex, (long)&self->go, FUTEX_WAIT_PRIVATE, go, (long)&length);
}

/* Less than a second. `is_to_stay`: as long as nobody can run, on what it waits for. */
static void nap(struct rw_serial_thread *self, uint64_t ns, bool is_to_stay)
{
    uint32_t go = __atomic_load_n(&self->go, __ATOMIC_RELAXED);
    uint64_t before = rw_recorder_now();
    rw_serial.is_idle = true;
    rw_serial_unlock();
    int result = is_to_stay ? rw_serial_nap(self, go, ns) : sleep_until_told(self, go, ns);
    rw_serial_lock();
    rw_serial.is_idle = false;
    rw_serial.now += rw_recorder_now() - before;
    if (result == -EINTR && self->state == RW_SERIAL_BLOCKED && self->is_interruptible) {
        self->state = RW_SERIAL_READY;
        self->outcome = RW_SERIAL_INTERRUPTED;
    }
}

/* Told once all lie where they will stay. */
static void be_stuck(struct rw_serial_thread *self)
{
    static uint64_t since_ns;
    bool is_new = !__atomic_load_n(&rw_serial.is_stuck, __ATOMIC_RELAXED);
    uint64_t now = rw_recorder_now();
    __atomic_store_n(&rw_serial.is_stuck, true, __ATOMIC_RELAXED);
    if (is_new)
        since_ns = now;
    if (is_anybody_up(self, is_new) && now - since_ns < LIE_DOWN_NS) {
        nap(self, LAST_NAP_NS / 10, false);
        return;
    }
    tell_stuck(now);
    nap(self, STUCK_NAP_NS, true);
}

void rw_serial_idle(struct rw_serial_thread *self)
{
    const struct rw_serial_thread *earliest = rw_serial_earliest(false);
    bool is_paced = has_outside();
    if (earliest && !is_paced) {
        if (rw_serial.now < earliest->deadline)
            rw_serial.now = earliest->deadline;
        return;
    }
    if (!earliest && !is_paced) {
        be_stuck(self);
        return;
    }
    uint64_t left = earliest ? earliest->deadline - rw_serial.now : LAST_NAP_NS;
    nap(self, left < nap_ns ? left : nap_ns, false);
    nap_ns = 2 * nap_ns < LAST_NAP_NS ? 2 * nap_ns : LAST_NAP_NS;
}

void rw_serial_idle_over(void)
{
    nap_ns = FIRST_NAP_NS;
    __atomic_store_n(&rw_serial.is_stuck, false, __ATOMIC_RELAXED);
    tell_stuck(0);
}

/* 'R' while it runs or could, 'S' or 'D' while it sleeps; 0 if not known. proc(5). */
static char state_of(int32_t tid)
{
    char line[256];
    struct rw_text text;
    rw_text_begin(&text, line, sizeof line);
    rw_text_add(&text, "/proc/self/task/");
    rw_text_add_decimal(&text, (uint64_t)tid);
    rw_text_add(&text, "/stat");
    long fd = rw_raw3(SYS_open, (long)line, O_RDONLY | O_CLOEXEC, 0);
    if (fd < 0)
        return 0;
    long length = rw_raw3(SYS_read, fd, (long)line, sizeof line);
    rw_raw3(SYS_close, fd, 0, 0);
    for (long i = length - 3; i >= 0; i--) {
        if (line[i] == ')')
            return line[i + 2];
    }
    return 0;
}

void rw_serial_watch_holder(struct rw_serial_thread *self)
{
    static struct {
        const struct rw_serial_thread *holder;
        uint64_t steps, since_ns;
    } still;
    uint64_t steps = rw_serial.steps + rw_serial.asks;
    struct rw_serial_thread *holder = rw_serial.holder;
    uint64_t now = rw_recorder_now();
    if (!holder || rw_serial.is_idle || still.holder != holder || still.steps != steps) {
        still.holder = holder;
        still.steps = steps;
        still.since_ns = now;
        return;
    }
    uint64_t age = now - still.since_ns;
    if (age < STUCK_NS || (!rw_serial_anybody_able() && !rw_serial_earliest(false)))
        return;
    char state = state_of(holder->tid);
    bool is_ready = state == 'R' && holder->is_coming;
    if (state != 'S' && state != 'D' && age < (is_ready ? COMING_NS : SPINNING_NS))
        return;
    rw_serial_log_takeover();
    /* One that is still on its way stays what it was: it comes back for the token, and not from outside. */
    if (!holder->is_coming)
        holder->state = RW_SERIAL_OUTSIDE;
    rw_serial.holder = self;
}
