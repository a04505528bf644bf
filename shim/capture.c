/* SPDX-License-Identifier: MIT */
/* A thread copies its own registers and stack, just before it blocks. */
#include "shim/recording_file.h"
#include "shim/text.h"
#include "shim/wait.h"

/* A function of its own, with a frame: the return address of this call and all above it is in the copy, and
 * the registers are those at one instruction, where the unwind table of this function holds. What the
 * compiler does with them afterwards is no matter. Bytes of the stack are copied by rep movsb: memcpy may be
 * a sanitizer's. */
__attribute__((noinline)) void rw_capture_into(struct rw_self *self, struct rw_capture *capture,
                                               unsigned char *copy, size_t size, uint64_t now)
{
    self->is_capturing = true;
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    rw_write_begin(&capture->sequence);
    uint64_t registers[RW_REGISTER_COUNT] = {0}; /* not read back from the recording */
    __asm__ volatile("movq %%rbx, 24(%0)\n\t"
                     "movq %%rbp, 48(%0)\n\t"
                     "movq %%rsp, 56(%0)\n\t"
                     "movq %%r12, 96(%0)\n\t"
                     "movq %%r13, 104(%0)\n\t"
                     "movq %%r14, 112(%0)\n\t"
                     "movq %%r15, 120(%0)\n\t"
                     "leaq 0(%%rip), %%rax\n\t"
                     "movq %%rax, 128(%0)"
                     :
                     : "r"(registers)
                     : "rax", "memory");
    uintptr_t stack = registers[7];
    rw_copy(capture->registers, registers, sizeof registers);
    capture->by = RW_CAPTURE_WAIT;
    capture->time_ns = now;
    capture->request = 0;
    capture->stack_address = stack;
    capture->stack_length = 0;
    capture->stack_whole = 0;
    if (stack >= self->stack_low && stack < self->stack_top) {
        size_t whole = self->stack_top - stack;
        size_t length = whole < size ? whole : size;
        rw_copy(copy, (const void *)stack, length);
        capture->stack_length = (uint32_t)length;
        capture->stack_whole = length == whole;
    }
    rw_write_end(&capture->sequence);
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    self->is_capturing = false;
}

void rw_capture_wait(struct rw_self *self, uint64_t now)
{
    rw_capture_into(self, &self->area->slot.capture, self->area->stack, RW_STACK_MAX, now);
}
