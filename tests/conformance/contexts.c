/* SPDX-License-Identifier: MIT */
/* Waits on other stacks than a thread's own, on the last of a small one, and left by a jump. */
#include <alloca.h>
#include <limits.h>
#include <semaphore.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#include "tests/conformance/behaviour.h"

#define STACK (size_t)(64 * 1024)
#define PAGE (size_t)4096

static const struct timespec past = {.tv_sec = 1};
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER, taken = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t condition = PTHREAD_COND_INITIALIZER;
static sem_t none;

static void *nothing(void *unused)
{
    return unused;
}

static long wait_in_vain(void)
{
    struct timespec soon = in_ms(CLOCK_REALTIME, 1);
    pthread_mutex_lock(&mutex);
    long wrong = pthread_cond_timedwait(&condition, &mutex, &soon) != ETIMEDOUT;
    pthread_mutex_unlock(&mutex);
    soon = in_ms(CLOCK_REALTIME, 1);
    wrong += 2 * (sem_timedwait(&none, &soon) != -1 || errno != ETIMEDOUT);
    soon = in_ms(CLOCK_REALTIME, 1);
    return wrong + 4 * (pthread_mutex_timedlock(&taken, &soon) != ETIMEDOUT);
}

/* Nothing is mapped above and below it that may be read. */
static char *make_stack(void)
{
    char *low = mmap(NULL, STACK + 2 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return mprotect(low + PAGE, STACK, PROT_READ | PROT_WRITE) == 0 ? low + PAGE : NULL;
}

struct routine {
    ucontext_t own, back;
    pthread_mutex_t mutex;
    long wrong;
};

static struct routine *current;

static void be_routine(void)
{
    struct routine *routine = current;
    for (int round = 0; round < 3; round++) {
        routine->wrong += wait_in_vain();
        routine->wrong += 8 * (pthread_mutex_lock(&routine->mutex) != 0);
        swapcontext(&routine->own, &routine->back); /* switches with the lock */
        routine->wrong += 8 * (pthread_mutex_unlock(&routine->mutex) != 0);
        routine->wrong += 16 * (in_thread(nothing, routine) != routine);
    }
}

static void begin_routine(struct routine *routine)
{
    routine->wrong = 0;
    pthread_mutex_init(&routine->mutex, NULL);
    getcontext(&routine->own);
    routine->own.uc_stack.ss_sp = make_stack();
    routine->own.uc_stack.ss_size = STACK;
    routine->own.uc_link = &routine->back;
    makecontext(&routine->own, be_routine, 0);
}

static void *run_routines(void *unused)
{
    struct routine routines[2];
    (void)unused;
    for (int i = 0; i < 2; i++)
        begin_routine(&routines[i]);
    for (int turn = 0; turn < 8; turn++) {
        current = &routines[turn % 2];
        swapcontext(&current->back, &current->own);
    }
    for (int i = 0; i < 2; i++)
        munmap((char *)routines[i].own.uc_stack.ss_sp - PAGE, STACK + 2 * PAGE);
    return (void *)(routines[0].wrong + routines[1].wrong);
}

static volatile long in_handler;

static void wait_in_handler(int number)
{
    (void)number;
    in_handler = wait_in_vain();
}

static void *wait_on_alternate_stack(void *unused)
{
    char *low = make_stack();
    stack_t own = {.ss_sp = low, .ss_size = STACK}, old;
    struct sigaction action = {.sa_handler = wait_in_handler, .sa_flags = SA_ONSTACK}, before;
    in_handler = -1;
    sigaltstack(&own, &old);
    sigaction(SIGUSR1, &action, &before);
    raise(SIGUSR1);
    sigaction(SIGUSR1, &before, NULL);
    sigaltstack(&old, NULL);
    munmap(low - PAGE, STACK + 2 * PAGE);
    (void)unused;
    return (void *)in_handler;
}

static pthread_t other;
static pthread_rwlock_t written = PTHREAD_RWLOCK_INITIALIZER;
static sigjmp_buf out;
static _Atomic pid_t waiter;

static void jump_out(int number)
{
    siglongjmp(out, number);
}

static void block(int way)
{
    switch (way) {
    case 0:
        pthread_mutex_lock(&taken);
        break;
    case 1:
        sem_wait(&none);
        break;
    case 2:
        pthread_cond_wait(&condition, &mutex);
        break;
    case 3:
        pthread_join(other, NULL);
        break;
    default:
        pthread_rwlock_rdlock(&written);
    }
}

/* What was on the stack below, of the wait too, is there no more. */
static __attribute__((noinline)) long write_over(int depth)
{
    volatile char frame[2048];
    memset((char *)(uintptr_t)frame, 0x5a, sizeof frame);
    return depth ? write_over(depth - 1) + frame[0] : frame[0];
}

/* After the jump it goes on as if it had never waited, and ends as it likes. A wait for a condition has its
 * mutex again, as after a cancellation. */
static void *leave_by_jump(void *argument)
{
    const intptr_t way = (intptr_t)argument;
    pthread_mutex_lock(&mutex);
    if (way != 2)
        pthread_mutex_unlock(&mutex);
    if (sigsetjmp(out, 1) == 0) {
        waiter = gettid();
        block((int)way);
        return (void *)-1;
    }
    if (way == 2)
        pthread_mutex_unlock(&mutex);
    pthread_mutex_t own = PTHREAD_MUTEX_INITIALIZER;
    struct timespec soon = in_ms(CLOCK_REALTIME, 1);
    long wrong = pthread_mutex_lock(&own) + pthread_mutex_unlock(&own);
    wrong += sem_timedwait(&none, &soon) != -1;
    wrong += 2 * (in_thread(nothing, &out) != &out);
    write_over(4);
    pthread_exit((void *)wrong);
}

static void *sleep_on(void *unused)
{
    pause();
    return unused;
}

static void tell_jumps(void)
{
    static const char *const names[] = {"a jump out of mutex_lock", "a jump out of sem_wait",
                                        "a jump out of cond_wait", "a jump out of join",
                                        "a jump out of rdlock"};
    struct sigaction action = {.sa_handler = jump_out}, before;
    sigaction(SIGUSR1, &action, &before);
    pthread_rwlock_wrlock(&written);
    pthread_create(&other, NULL, sleep_on, NULL);
    for (intptr_t way = 0; way < 5; way++) {
        pthread_t thread;
        void *value;
        waiter = 0;
        pthread_create(&thread, NULL, leave_by_jump, (void *)way);
        await_blocked(&waiter, SYS_futex, NULL, 0);
        pthread_kill(thread, SIGUSR1);
        pthread_join(thread, &value);
        tell(names[way], (long)(intptr_t)value);
    }
    sigaction(SIGUSR1, &before, NULL);
    pthread_cancel(other);
}

/* All but 2 KiB of it are gone when it waits, creates, forks. */
static void *use_all_but_little(void *unused)
{
    pthread_attr_t attributes;
    void *low;
    size_t size;
    pthread_t thread;
    struct timespec soon = in_ms(CLOCK_REALTIME, 1);
    pthread_getattr_np(pthread_self(), &attributes);
    pthread_attr_getstack(&attributes, &low, &size);
    pthread_attr_destroy(&attributes);
    volatile char *rest = alloca((size_t)((char *)__builtin_frame_address(0) - (char *)low) - 2048);
    rest[0] = 1;
    long wrong = pthread_mutex_timedlock(&taken, &soon) != ETIMEDOUT;
    pthread_mutex_lock(&mutex);
    wrong += 2 * (pthread_cond_timedwait(&condition, &mutex, &past) != ETIMEDOUT);
    pthread_mutex_unlock(&mutex);
    wrong += 4 * (sem_timedwait(&none, &past) != -1);
    wrong += 8 * (pthread_create(&thread, NULL, nothing, NULL) || pthread_join(thread, NULL));
    (void)unused;
    return (void *)(wrong + 16 * (rest[0] != 1));
}

static void tell_least_stack(void)
{
    pthread_attr_t attributes;
    pthread_t thread;
    void *value = NULL;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, PTHREAD_STACK_MIN);
    tell("the last of the least stack", pthread_create(&thread, &attributes, use_all_but_little, NULL));
    pthread_join(thread, &value);
    tell(" is enough", (long)(intptr_t)value);
    pthread_attr_destroy(&attributes);
}

static pthread_t first;

static void *exit_last(void *unused)
{
    (void)unused;
    pthread_join(first, NULL);
    exit(12);
}

/* The process lives on without its first thread, and ends as another one says. */
static void tell_main_gone(void)
{
    pid_t pid = fork();
    if (pid == 0) {
        pthread_t thread;
        first = pthread_self();
        pthread_create(&thread, NULL, exit_last, NULL);
        pthread_exit(NULL);
    }
    tell("a process that its first thread left", status_of(pid));
    pid = fork();
    if (pid == 0)
        pthread_exit((void *)5);
    tell("a process whose only thread left", status_of(pid));
}

void tell_contexts(const char *self)
{
    (void)self;
    sem_init(&none, 0, 0);
    pthread_mutex_lock(&taken);
    /* Found before they are needed where the stack is short: the loader saves all registers on it. */
    tell("in vain", wait_in_vain());
    tell("coroutines", (long)(intptr_t)in_thread(run_routines, NULL));
    tell("coroutines in the first thread", (long)(intptr_t)run_routines(NULL));
    tell("waits in a handler, alternate stack", (long)(intptr_t)in_thread(wait_on_alternate_stack, NULL));
    tell_jumps();
    tell_least_stack();
    tell_main_gone();
    pthread_mutex_unlock(&taken);
}
