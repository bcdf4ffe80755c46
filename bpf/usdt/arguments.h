/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * Arguments of USDT sites. The note of each site says where they are. src/discovery/usdt reads it, src/probes/sites/argument-specs.ts
 * encodes it, and the map below has it when the site is hit.
 *
 *     struct usdt_hit hit = usdt_hit(ctx, &site);
 *     if (usdt_argument(&hit, 0, &sql)) …
 */
#ifndef USPAN_USDT_H
#define USPAN_USDT_H

#include "span/spans.h"
#include "common/user_memory.h"
#include "common/vmlinux.h"
#include "event.h"
#include <bpf/bpf_helpers.h>

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, USPAN_USDT_SPECS);
	__type(key, __u32);
	__type(value, struct uspan_usdt_spec);
} usdt_specs SEC(".maps");

/* A power of two, so that any number can be masked into it. */
#if defined(__TARGET_ARCH_x86)
#define USDT_REGISTERS 16
#elif defined(__TARGET_ARCH_arm64)
#define USDT_REGISTERS 32
#endif

/* A site that was hit. It is on the stack, because a program cannot read the context at an offset that is known only at run time. */
struct usdt_hit {
	const struct uspan_usdt_spec *spec; /* 0: none of its arguments is known */
	__u64 ip;
	__u64 registers[USDT_REGISTERS];
};

#if defined(__TARGET_ARCH_x86)
#define USDT_SP(ctx) ((ctx)->sp)
#define USDT_IP(ctx) ((ctx)->ip)

static __always_inline void save_registers(const struct pt_regs *ctx, __u64 *to)
{
	to[0] = ctx->ax;
	to[1] = ctx->bx;
	to[2] = ctx->cx;
	to[3] = ctx->dx;
	to[4] = ctx->si;
	to[5] = ctx->di;
	to[6] = ctx->bp;
	to[7] = ctx->sp;
	to[8] = ctx->r8;
	to[9] = ctx->r9;
	to[10] = ctx->r10;
	to[11] = ctx->r11;
	to[12] = ctx->r12;
	to[13] = ctx->r13;
	to[14] = ctx->r14;
	to[15] = ctx->r15;
}
#elif defined(__TARGET_ARCH_arm64)
#define USDT_SP(ctx) ((ctx)->sp)
#define USDT_IP(ctx) ((ctx)->pc)

static __always_inline void save_registers(const struct pt_regs *ctx, __u64 *to)
{
#pragma unroll
	for (int i = 0; i < 31; i++)
		to[i] = ctx->regs[i];
	to[31] = ctx->sp;
}
#endif

/* What the site's specification needs. Looked up once per hit. */
static __always_inline void usdt_hit(struct usdt_hit *hit, const struct pt_regs *ctx, const struct site *site)
{
	hit->spec = bpf_map_lookup_elem(&usdt_specs, &site->spec);
	hit->ip = USDT_IP(ctx);
	save_registers(ctx, hit->registers);
}

static __always_inline __u64 usdt_register(const struct usdt_hit *hit, __u8 number)
{
	if (number == USPAN_USDT_NO_REGISTER)
		return 0;
	if (number == USPAN_USDT_SITE)
		return hit->ip;
	return hit->registers[number & (USDT_REGISTERS - 1)];
}

/* Argument `number` (from 0) as 64 bits, with its sign if it has one. A float as its bits. False if it is unreadable. */
static __always_inline bool usdt_argument(const struct usdt_hit *hit, __u32 number, __u64 *value)
{
	const struct uspan_usdt_argument *argument;
	__u64 raw[2] = {}, address;
	__u32 unused_bits;

	if (!hit->spec || number >= USPAN_USDT_ARGUMENTS)
		return false;
	argument = &hit->spec->argument[number];
	switch (argument->location) {
	case USPAN_USDT_CONSTANT:
		raw[0] = argument->value;
		break;
	case USPAN_USDT_REGISTER:
		raw[0] = usdt_register(hit, argument->base) >> (argument->shift_bits & 63);
		break;
	case USPAN_USDT_MEMORY:
		address = usdt_register(hit, argument->base) +
			  (usdt_register(hit, argument->index) << (argument->scale_bits & 3)) + argument->value;
		if (read_user(raw, argument->bytes & 15, address))
			return false;
		break;
	default:
		return false;
	}
	unused_bits = (64 - 8 * argument->bytes) & 63;
	*value = argument->is_signed ? (__u64)((__s64)(raw[0] << unused_bits) >> unused_bits)
				     : raw[0] << unused_bits >> unused_bits;
	return true;
}

#endif
