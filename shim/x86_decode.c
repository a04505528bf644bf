/* SPDX-License-Identifier: MIT */
#include "shim/x86_decode.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

/* What follows an opcode, a letter for each. Source: Intel SDM volume 2, appendix A, opcode maps for 64-bit
 * mode. */
/* .  nothing */
/* b  imm8 */
/* w  imm16 */
/* z  imm16, or imm32 without prefix 66 */
/* q  imm16, imm32, or with REX.W imm64 */
/* j  8-bit distance */
/* J  32-bit distance */
/* m  ModRM */
/* M  ModRM and imm8 */
/* Z  ModRM and z */
/* g  ModRM; imm8 with it if its /reg is 0 or 1 */
/* G  ModRM; z with it if its /reg is 0 or 1 */
/* x  refused: does not exist, or is a prefix or an escape handled before, or is not for ordinary code */
static const char one_byte_map[] = "mmmmbzxxmmmmbzxx"  /* 00 */
                                   "mmmmbzxxmmmmbzxx"  /* 10 */
                                   "mmmmbzxxmmmmbzxx"  /* 20 */
                                   "mmmmbzxxmmmmbzxx"  /* 30 */
                                   "xxxxxxxxxxxxxxxx"  /* 40 REX */
                                   "................"  /* 50 push, pop */
                                   "xxxmxxxxzZbMxxxx"  /* 60 */
                                   "jjjjjjjjjjjjjjjj"  /* 70 jcc */
                                   "MZxMmmmmmmmmxmxm"  /* 80 */
                                   "..........x.xx.."  /* 90 */
                                   "xxxx....bz......"  /* A0 */
                                   "bbbbbbbbqqqqqqqq"  /* B0 */
                                   "MMw.xxMZx.xxxxxx"  /* C0 */
                                   "mmmmxxx.mmmmmmmm"  /* D0 */
                                   "jjjjxxxxJJxjxxxx"  /* E0 */
                                   "xxxxx.gG..xx..mm"; /* F0 */

/* After 0F; the same map for VEX and EVEX map 1. */
static const char two_byte_map[] = "xxxxx.xxxxx.xmxx"  /* 00: syscall, ud2, prefetchw */
                                   "mmmmmmmmmmmmmmmm"  /* 10 */
                                   "xxxxxxxxmmmmmmmm"  /* 20 */
                                   "x.xxxxxxxxxxxxxx"  /* 30: rdtsc */
                                   "mmmmmmmmmmmmmmmm"  /* 40 cmov */
                                   "mmmmmmmmmmmmmmmm"  /* 50 */
                                   "mmmmmmmmmmmmmmmm"  /* 60 */
                                   "MMMMmmm.mmmmmmmm"  /* 70 */
                                   "JJJJJJJJJJJJJJJJ"  /* 80 jcc */
                                   "mmmmmmmmmmmmmmmm"  /* 90 setcc */
                                   "xx.mMmxxxxxmMmmm"  /* A0: cpuid, bt, shld, shrd, fences */
                                   "mmmmmmmmmxMmmmmm"  /* B0 */
                                   "mmMmMMMm........"  /* C0: the last eight are bswap */
                                   "mmmmmmmmmmmmmmmm"  /* D0 */
                                   "mmmmmmmmmmmmmmmm"  /* E0 */
                                   "mmmmmmmmmmmmmmmx"; /* F0 */

_Static_assert(sizeof one_byte_map == 257 && sizeof two_byte_map == 257, "an entry for each opcode");

enum { LENGTH_MAX = 15 };

struct cursor {
    const uint8_t *code;
    size_t at;
    size_t end;
    bool operand_16; /* prefix 66 */
    bool address_32; /* prefix 67 */
    bool rex_w;
    bool vector; /* VEX or EVEX */
    uint8_t map; /* 1: one byte, 2: 0F, 3: 0F 38, 4: 0F 3A, 5 and 6: EVEX only */
    uint8_t opcode;
    uint8_t modrm;
    char operands; /* a letter of the maps above */
};

static bool take(struct cursor *c, uint8_t *byte)
{
    if (c->at >= c->end)
        return false;
    *byte = c->code[c->at++];
    return true;
}

static int skip_prefixes(struct cursor *c, uint8_t *byte)
{
    for (;;) {
        if (!take(c, byte))
            return -ENODATA;
        switch (*byte) {
        case 0x66:
            c->operand_16 = true;
            continue;
        case 0x67:
            c->address_32 = true;
            continue;
        case 0x26: /* segments; of these only fs and gs still mean something */
        case 0x2e:
        case 0x36:
        case 0x3e:
        case 0x64:
        case 0x65:
        case 0xf0: /* lock */
        case 0xf2: /* repne */
        case 0xf3: /* rep */
            continue;
        }
        if ((*byte & 0xf0) != 0x40)
            return 0;
        /* A REX that is not the last prefix has no effect; no compiler writes one, so it is refused below. */
        c->rex_w = *byte & 8;
        if (!take(c, byte))
            return -ENODATA;
        return 0;
    }
}

/* C5 P op; C4 P P op; 62 P P P op. The map is in the low bits of the first P, but for C5, which has map 1
 * only. */
static int take_vector_opcode(struct cursor *c, uint8_t escape)
{
    static const uint8_t payload[] = {[0] = 1, [1] = 2, [2] = 3};
    const unsigned form = escape == 0xc5 ? 0 : escape == 0xc4 ? 1 : 2;
    uint8_t p[3] = {0};
    for (unsigned i = 0; i < payload[form]; i++)
        if (!take(c, &p[i]))
            return -ENODATA;
    if (!take(c, &c->opcode))
        return -ENODATA;
    const unsigned map = form == 0 ? 1 : p[0] & (form == 1 ? 0x1f : 0x07);
    if (c->operand_16 || map < 1 || map > (form == 2 ? 6 : 3) || map == 4)
        return -EILSEQ;
    c->vector = true;
    c->map = (uint8_t)(map + 1);
    return 0;
}

static int take_opcode(struct cursor *c)
{
    uint8_t byte;
    const int error = skip_prefixes(c, &byte);
    if (error)
        return error;
    c->map = 1;
    c->opcode = byte;
    if (byte == 0x62 || byte == 0xc4 || byte == 0xc5)
        return take_vector_opcode(c, byte);
    if (byte != 0x0f)
        return 0;
    if (!take(c, &c->opcode))
        return -ENODATA;
    c->map = 2;
    if (c->opcode == 0x38 || c->opcode == 0x3a) {
        c->map = c->opcode == 0x38 ? 3 : 4;
        if (!take(c, &c->opcode))
            return -ENODATA;
    }
    return 0;
}

static char operands_of(const struct cursor *c)
{
    switch (c->map) {
    case 1:
        return one_byte_map[c->opcode];
    case 2:
        return two_byte_map[c->opcode];
    case 4:
        return 'M';
    default:
        return 'm';
    }
}

/* Skips what ModRM asks for: SIB and displacement. A rip-relative displacement is noted. */
static int take_memory_operand(struct cursor *c, struct rw_x86_instruction *instruction)
{
    if (!take(c, &c->modrm))
        return -ENODATA;
    const unsigned mod = c->modrm >> 6, rm = c->modrm & 7;
    size_t displacement = mod == 1 ? 1 : mod == 2 ? 4 : 0;
    if (mod == 3)
        return 0;
    if (rm == 4) {
        uint8_t sib;
        if (!take(c, &sib))
            return -ENODATA;
        if (mod == 0 && (sib & 7) == 5)
            displacement = 4;
    } else if (mod == 0 && rm == 5) {
        if (c->address_32)
            return -EILSEQ; /* eip-relative */
        displacement = 4;
        instruction->relative_size = 4;
        instruction->relative_offset = (uint8_t)c->at;
    }
    c->at += displacement;
    return 0;
}

static size_t immediate_size(const struct cursor *c)
{
    const size_t word_or_long = c->operand_16 && !c->rex_w ? 2 : 4;
    const bool tests = (c->modrm >> 3 & 7) <= 1; /* group 3: only /0 and /1, test, have an immediate */
    switch (c->operands) {
    case 'b':
    case 'M':
    case 'j':
        return 1;
    case 'w':
        return 2;
    case 'z':
    case 'Z':
        return word_or_long;
    case 'q':
        return c->rex_w && c->opcode >= 0xb8 ? 8 : word_or_long;
    case 'J':
        return 4;
    case 'g':
        return tests ? 1 : 0;
    case 'G':
        return tests ? word_or_long : 0;
    default:
        return 0;
    }
}

static bool has_modrm(char operands)
{
    switch (operands) {
    case 'm':
    case 'M':
    case 'Z':
    case 'g':
    case 'G':
        return true;
    default:
        return false;
    }
}

/* Flow of an instruction of the one-byte map, or -EILSEQ for a form that is not for ordinary code. */
static int one_byte_flow(const struct cursor *c)
{
    const unsigned reg = c->modrm >> 3 & 7;
    switch (c->opcode) {
    case 0xc2:
    case 0xc3:
        return RW_X86_RETURN;
    case 0xe0 ... 0xe3:
        return RW_X86_LOOP;
    case 0x70 ... 0x7f:
        return RW_X86_BRANCH;
    case 0xe8:
        return RW_X86_CALL;
    case 0xe9:
    case 0xeb:
        return RW_X86_JUMP;
    case 0x8f: /* pop */
    case 0xc6: /* mov; /7 are xabort and xbegin, which has a distance in it */
    case 0xc7:
        return reg == 0 ? RW_X86_NEXT : -EILSEQ;
    case 0xfe:
        return reg <= 1 ? RW_X86_NEXT : -EILSEQ;
    case 0xff:
        return reg == 2               ? RW_X86_CALL_INDIRECT
               : reg == 4             ? RW_X86_JUMP_INDIRECT
               : reg <= 1 || reg == 6 ? RW_X86_NEXT
                                      : -EILSEQ;
    default:
        return RW_X86_NEXT;
    }
}

static int flow_of(const struct cursor *c)
{
    if (c->vector || c->map > 2)
        return RW_X86_NEXT;
    if (c->map == 1)
        return one_byte_flow(c);
    if (c->opcode == 0x0b)
        return RW_X86_TRAP;
    return c->operands == 'J' ? RW_X86_BRANCH : RW_X86_NEXT;
}

static void note_distance(const struct cursor *c, struct rw_x86_instruction *instruction)
{
    if (c->operands == 'j' || c->operands == 'J') {
        instruction->relative_size = c->operands == 'j' ? 1 : 4;
        instruction->relative_offset = (uint8_t)(c->at - instruction->relative_size);
        instruction->condition = c->opcode & 0xf;
    }
    if (instruction->relative_size == 1)
        instruction->relative = (int8_t)c->code[instruction->relative_offset];
    else if (instruction->relative_size == 4)
        memcpy(&instruction->relative, c->code + instruction->relative_offset, 4);
}

int rw_x86_decode(const uint8_t *code, size_t available, struct rw_x86_instruction *instruction)
{
    struct cursor c = {.code = code, .end = available < LENGTH_MAX ? available : LENGTH_MAX};
    *instruction = (struct rw_x86_instruction){0};
    const int truncated = c.end == LENGTH_MAX ? -EILSEQ : -ENODATA;
    int error = take_opcode(&c);
    if (error)
        return error == -ENODATA ? truncated : error;

    c.operands = operands_of(&c);
    if (c.operands == 'x' || (c.vector && c.map == 2 && !has_modrm(c.operands) && c.opcode != 0x77))
        return -EILSEQ;
    /* With prefix 66 Intel and AMD disagree on how long a near branch is; 66 REX.W, as in calls of
     * __tls_get_addr, is a 32-bit distance to both. */
    if ((c.operands == 'j' || c.operands == 'J') && c.operand_16 && !c.rex_w)
        return -EILSEQ;
    if (has_modrm(c.operands) && (error = take_memory_operand(&c, instruction)) != 0)
        return error == -ENODATA ? truncated : error;
    c.at += immediate_size(&c);
    if (c.at > c.end)
        return truncated;

    const int flow = flow_of(&c);
    if (flow < 0)
        return flow;
    instruction->length = (uint8_t)c.at;
    instruction->flow = (uint8_t)flow;
    note_distance(&c, instruction);
    return 0;
}
