/* SPDX-License-Identifier: MIT */
/*
 * dlopen and dlmopen. Where they look for a library depends on who calls them (its RPATH, its namespace), which they
 * find out by their return address: so nothing may stand between. The count is kept, and the real function is jumped
 * to with the stack and the arguments as they came. x86-64.
 */
    .hidden rw_dlopen_called
    .hidden rw_dlmopen_called

    .macro entry name called
    .globl \name
    .type \name, @function
    .p2align 4
\name:
    .cfi_startproc
    pushq %rdi
    .cfi_adjust_cfa_offset 8
    pushq %rsi
    .cfi_adjust_cfa_offset 8
    pushq %rdx
    .cfi_adjust_cfa_offset 8
    movq 24(%rsp), %rdi
    call \called
    popq %rdx
    .cfi_adjust_cfa_offset -8
    popq %rsi
    .cfi_adjust_cfa_offset -8
    popq %rdi
    .cfi_adjust_cfa_offset -8
    jmp *%rax
    .cfi_endproc
    .size \name, . - \name
    .endm

    .text
    entry dlopen rw_dlopen_called
    entry dlmopen rw_dlmopen_called
    .section .note.GNU-stack, "", @progbits
