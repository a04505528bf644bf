/* SPDX-License-Identifier: MIT */
/*
 * long syscall(long number, ...): the two by which a program confines itself go to rw_syscall_confining; all others
 * go on in the real one with the stack and the arguments as they came: a child of theirs may return on another stack.
 * x86-64.
 */
#include <sys/syscall.h>
    .hidden rw_syscall_confining
    .hidden rw_syscall_find
    .hidden rw_syscall_real
    .text
    .globl syscall
    .type syscall, @function
    .p2align 4
syscall:
    .cfi_startproc
    cmpq $SYS_seccomp, %rdi
    je rw_syscall_confining
    cmpq $SYS_prctl, %rdi
    je rw_syscall_confining
    movq rw_syscall_real(%rip), %rax
    testq %rax, %rax
    je 1f
    jmp *%rax
1:
    .irp register, %rdi, %rsi, %rdx, %rcx, %r8, %r9
    pushq \register
    .cfi_adjust_cfa_offset 8
    .endr
    subq $8, %rsp
    .cfi_adjust_cfa_offset 8
    call rw_syscall_find
    addq $8, %rsp
    .cfi_adjust_cfa_offset -8
    .irp register, %r9, %r8, %rcx, %rdx, %rsi, %rdi
    popq \register
    .cfi_adjust_cfa_offset -8
    .endr
    jmp *%rax
    .cfi_endproc
    .size syscall, . - syscall
    .section .note.GNU-stack, "", @progbits
