/* SPDX-License-Identifier: MIT */
/*
 * Moves the first instructions of a function elsewhere, so that their place can take a jump. x86-64.
 * Pure functions over memory that the caller owns; any thread.
 */
#ifndef RACEWATCH_SHIM_X86_MOVE_H
#define RACEWATCH_SHIM_X86_MOVE_H

#include <stddef.h>
#include <stdint.h>

/* Room for what rw_x86_move writes of a prologue of usual size. */
#define RW_X86_MOVED_MAX 64u

/*
 * Writes to `to`, which has `room` bytes and is where the code is to run, the instructions that cover the
 * first `wanted` bytes of `function`, followed by a jump to the first one that was not moved. Stores in
 * `taken` how many bytes of the function they were: whole instructions, so `wanted` or a few more.
 *
 * What counts from its own address is corrected. A call becomes a push of the return address that it had and
 * a jump: so the callee returns into the function itself, and a stack walk meets no address that has no
 * unwind information. (A shadow stack would not take that; no process that preloads a library without the
 * shadow-stack mark has one.)
 *
 * The whole function, `size` bytes, is decoded: nothing in it may branch to behind the first of the bytes
 * taken.
 *
 * 0, or: -EILSEQ an instruction that is not known, or that cannot be moved; -EMSGSIZE the function is too
 * short; -ELOOP it branches into the bytes to be taken; -ERANGE something in it is out of reach from `to`;
 * -ENOSPC.
 */
int rw_x86_move(const uint8_t *function, size_t size, size_t wanted, uint8_t *to, size_t room, size_t *taken);

/* Writes a 5-byte jump at `at` that goes to `target`. 0 or -ERANGE. */
int rw_x86_write_jump(uint8_t *at, const uint8_t *place, const uint8_t *target);

#endif
