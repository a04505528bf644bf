/* SPDX-License-Identifier: MIT */
    .text
    .macro begin name
    .globl \name
    .type \name, @function
    .p2align 4
\name:
    .cfi_startproc
    .endm
    .macro end name
    .cfi_endproc
    .size \name, . - \name
.L\name\()_end:
    .pushsection .rodata
    .globl \name\()_size
    .p2align 3
\name\()_size:
    .quad .L\name\()_end - \name
    .popsection
    .endm

worker: /* the rest of most of them */
    .cfi_startproc
    imulq $10, %rdi, %rax
    addq %rsi, %rax
    ret
    .cfi_endproc

    .section .rodata
ten:
    .quad 10
    .section .data.rel.ro, "aw"
worker_pointer:
    .quad worker
    .text

begin fn_pushes
    pushq %rbx
    pushq %rbp
    subq $24, %rsp
    movq %rdi, %rbx
    imulq $10, %rbx, %rax
    addq %rsi, %rax
    addq $24, %rsp
    popq %rbp
    popq %rbx
    ret
end fn_pushes

begin fn_patched_twice
    pushq %r15
    pushq %r14
    subq $8, %rsp
    imulq $10, %rdi, %rax
    addq %rsi, %rax
    addq $8, %rsp
    popq %r14
    popq %r15
    ret
end fn_patched_twice

begin fn_endbr
    endbr64
    movq %rdi, %rax
    imulq $10, %rax, %rax
    addq %rsi, %rax
    ret
end fn_endbr

begin fn_rip_relative
    movq ten(%rip), %rax
    imulq %rdi, %rax
    addq %rsi, %rax
    ret
end fn_rip_relative

begin fn_tail_jump
    xorl %eax, %eax
    .byte 0xe9
    .long worker - . - 4
end fn_tail_jump

begin fn_call_first
    pushq %rbx
    .cfi_adjust_cfa_offset 8
    movl %edi, %ebx
    call worker
    popq %rbx
    .cfi_adjust_cfa_offset -8
    ret
end fn_call_first

begin fn_call_through_pointer
    subq $8, %rsp
    .cfi_adjust_cfa_offset 8
    call *worker_pointer(%rip)
    addq $8, %rsp
    .cfi_adjust_cfa_offset -8
    ret
end fn_call_through_pointer

begin fn_short_branch
    testq %rdi, %rdi
    jne 1f
    movq %rsi, %rax
    ret
1:  imulq $10, %rdi, %rax
    addq %rsi, %rax
    ret
end fn_short_branch

begin fn_calls_back
    pushq %rbx
    .cfi_adjust_cfa_offset 8
    nop
    nop
    call call_callback
    popq %rbx
    .cfi_adjust_cfa_offset -8
    ret
end fn_calls_back

call_callback:
    .cfi_startproc
    jmp *%rdi
    .cfi_endproc

begin fn_too_short
    xorl %eax, %eax
    ret
end fn_too_short

begin fn_loops_back
    xorl %eax, %eax
1:  addq $10, %rax
    decq %rdi
    jne 1b
    addq %rsi, %rax
    ret
end fn_loops_back

begin fn_breakpoint
    pushq %rbx
    int3
    movq %rdi, %rax
    popq %rbx
    ret
end fn_breakpoint

begin fn_call_register
    movq %rdi, %rax
    call *%rax
    ret
end fn_call_register

begin fn_jrcxz
    movl %edi, %ecx
    jrcxz 1f
    nop
    nop
1:  ret
end fn_jrcxz

    .section .note.GNU-stack, "", @progbits
