/* SPDX-License-Identifier: MIT */
/* void *dlsym(void *handle, const char *name): tells rw_dlsym_seen where somebody watches, and goes on in the real
 * one with the stack and the arguments as they came. x86-64. */
    .hidden rw_dlsym_is_watched
    .hidden rw_dlsym_real
    .hidden rw_dlsym_seen
    .text
#ifdef __SANITIZE_THREAD__ /* its runtime asks dlsym() before anything that it has instrumented can run */
    .hidden dlsym
#endif
    .globl dlsym
    .type dlsym, @function
    .p2align 4
dlsym:
    .cfi_startproc
    cmpb $0, rw_dlsym_is_watched(%rip)
    jne 1f
    jmp *rw_dlsym_real(%rip)
1:
    pushq %rdi
    .cfi_adjust_cfa_offset 8
    pushq %rsi
    .cfi_adjust_cfa_offset 8
    subq $8, %rsp
    .cfi_adjust_cfa_offset 8
    call rw_dlsym_seen
    addq $8, %rsp
    .cfi_adjust_cfa_offset -8
    popq %rsi
    .cfi_adjust_cfa_offset -8
    popq %rdi
    .cfi_adjust_cfa_offset -8
    jmp *rw_dlsym_real(%rip)
    .cfi_endproc
    .size dlsym, . - dlsym
    .section .note.GNU-stack, "", @progbits
