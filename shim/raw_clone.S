/* SPDX-License-Identifier: MIT */
/* long rw_raw_clone(rdi: flags, rsi: stack, rdx: size, rcx: function, r8: argument); see raw_clone.h. */
    .text
    .globl rw_raw_clone
    .hidden rw_raw_clone
    .type rw_raw_clone, @function
rw_raw_clone:
    .cfi_startproc
    addq %rdx, %rsi
    andq $-16, %rsi
    subq $16, %rsi
    movq %rcx, 0(%rsi)
    movq %r8, 8(%rsi)
    xorl %edx, %edx
    xorl %r10d, %r10d
    xorl %r8d, %r8d
    movl $56, %eax /* clone */
    syscall
    testq %rax, %rax
    jz 1f
    ret
1:
    .cfi_undefined rip
    xorl %ebp, %ebp
    popq %rax
    popq %rdi
    call *%rax
    movl %eax, %edi
    movl $231, %eax /* exit_group */
    syscall
    hlt
    .cfi_endproc
    .size rw_raw_clone, . - rw_raw_clone
    .section .note.GNU-stack, "", @progbits
