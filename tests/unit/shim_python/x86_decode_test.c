/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "shim/x86_decode.h"

#define CODE(...) (const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__})

static struct rw_x86_instruction decoded(const uint8_t *code, size_t size)
{
    struct rw_x86_instruction in;
    assert_int_equal(rw_x86_decode(code, size, &in), 0);
    assert_int_equal(in.length, size);
    return in;
}

static void lengths_of_prologue_instructions(void **state)
{
    (void)state;
    decoded(CODE(0xf3, 0x0f, 0x1e, 0xfa));                         /* endbr64 */
    decoded(CODE(0x41, 0x57));                                     /* push %r15 */
    decoded(CODE(0x48, 0x83, 0xec, 0x18));                         /* sub $0x18,%rsp */
    decoded(CODE(0x48, 0x81, 0xec, 0x88, 0, 0, 0));                /* sub $0x88,%rsp */
    decoded(CODE(0x49, 0x89, 0xf4));                               /* mov %rsi,%r12 */
    decoded(CODE(0x31, 0xff));                                     /* xor %edi,%edi */
    decoded(CODE(0xbf, 1, 0, 0, 0));                               /* mov $1,%edi */
    decoded(CODE(0x48, 0xb8, 1, 2, 3, 4, 5, 6, 7, 8));             /* movabs */
    decoded(CODE(0x66, 0x81, 0xf9, 0x34, 0x12));                   /* cmp $0x1234,%cx: imm16 */
    decoded(CODE(0x66, 0x0f, 0x76, 0xc0));                         /* pcmpeqd %xmm0,%xmm0 */
    decoded(CODE(0x64, 0x48, 0x8b, 0x04, 0x25, 0x28, 0, 0, 0));    /* mov %fs:0x28,%rax */
    decoded(CODE(0xf6, 0x47, 0x10, 0x01));                         /* testb $1,0x10(%rdi) */
    decoded(CODE(0xf7, 0xd8));                                     /* neg %eax: no immediate */
    decoded(CODE(0xc5, 0xf9, 0x6f, 0x44, 0x24, 0x10));             /* vmovdqa 0x10(%rsp),%xmm0 */
    decoded(CODE(0x62, 0xf1, 0xfd, 0x48, 0x6f, 0x44, 0x24, 0x01)); /* vmovdqa64 0x40(%rsp),%zmm0 */
}

static void rip_relative_operand_is_found_before_an_immediate(void **state)
{
    (void)state;
    /* cmpl $7,0x1000(%rip) */
    const struct rw_x86_instruction in = decoded(CODE(0x83, 0x3d, 0, 0x10, 0, 0, 7));
    assert_int_equal(in.flow, RW_X86_NEXT);
    assert_int_equal(in.relative_size, 4);
    assert_int_equal(in.relative_offset, 2);
    assert_int_equal(in.relative, 0x1000);
}

static void flow(void **state)
{
    (void)state;
    assert_int_equal(decoded(CODE(0xe8, 0, 0, 0, 0)).flow, RW_X86_CALL);
    assert_int_equal(decoded(CODE(0x66, 0x66, 0x48, 0xe8, 0, 0, 0, 0)).flow,
                     RW_X86_CALL);                                             /* __tls_get_addr */
    assert_int_equal(decoded(CODE(0x67, 0xe8, 0, 0, 0, 0)).flow, RW_X86_CALL); /* relaxed call *foo@GOT */
    assert_int_equal(decoded(CODE(0xe9, 0, 0, 0, 0)).flow, RW_X86_JUMP);
    assert_int_equal(decoded(CODE(0xeb, 0xfe)).relative, -2);
    assert_int_equal(decoded(CODE(0x75, 0x07)).flow, RW_X86_BRANCH);
    assert_int_equal(decoded(CODE(0x0f, 0x84, 0, 1, 0, 0)).condition, 4);
    assert_int_equal(decoded(CODE(0xe3, 0x10)).flow, RW_X86_LOOP);
    assert_int_equal(decoded(CODE(0xff, 0x15, 0, 0, 0, 0)).flow, RW_X86_CALL_INDIRECT);
    assert_int_equal(decoded(CODE(0x3e, 0xff, 0xe0)).flow, RW_X86_JUMP_INDIRECT);
    assert_int_equal(decoded(CODE(0xf3, 0xc3)).flow, RW_X86_RETURN);
    assert_int_equal(decoded(CODE(0x0f, 0x0b)).flow, RW_X86_TRAP);
}

static void refuses(const uint8_t *code, size_t size)
{
    struct rw_x86_instruction in;
    assert_int_equal(rw_x86_decode(code, size, &in), -EILSEQ);
}

static void what_is_not_ordinary_code_is_refused(void **state)
{
    (void)state;
    refuses(CODE(0xcc, 0x48, 0x89, 0xe5, 0x90)); /* a debugger's breakpoint */
    refuses(CODE(0xf4));                         /* hlt */
    refuses(CODE(0x06));                         /* does not exist in 64-bit mode */
    refuses(CODE(0xd6));
    refuses(CODE(0x66, 0xe9, 0, 0, 0, 0));       /* Intel and AMD disagree about its length */
    refuses(CODE(0x48, 0x48, 0x89, 0xe5));       /* REX before REX */
    refuses(CODE(0x67, 0x8b, 0x05, 0, 0, 0, 0)); /* eip-relative */
    refuses(CODE(0xc7, 0xf8, 0, 0, 0, 0));       /* xbegin: a distance where others have an immediate */
    refuses(CODE(0x8f, 0xe9, 0x78, 0x80, 0xc0)); /* XOP */
    refuses(
        CODE(0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x90));
}

static void never_reads_behind_the_end(void **state)
{
    (void)state;
    static const uint8_t whole[] = {0x48, 0x81, 0x84, 0x24, 0x88, 0,
                                    0,    0,    0x10, 0,    0,    0}; /* addq $16,0x88(%rsp) */
    struct rw_x86_instruction in;
    for (size_t size = 0; size < sizeof whole; size++) {
        uint8_t *copy = test_malloc(size ? size : 1);
        memcpy(copy, whole, size);
        assert_int_equal(rw_x86_decode(copy, size, &in), -ENODATA);
        test_free(copy);
    }
    decoded(whole, sizeof whole);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lengths_of_prologue_instructions),
        cmocka_unit_test(rip_relative_operand_is_found_before_an_immediate),
        cmocka_unit_test(flow),
        cmocka_unit_test(what_is_not_ordinary_code_is_refused),
        cmocka_unit_test(never_reads_behind_the_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
