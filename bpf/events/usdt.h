/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* Part of event.h: where the arguments of USDT sites are. */
#ifndef USPAN_EVENTS_USDT_H
#define USPAN_EVENTS_USDT_H

#define USPAN_USDT_ARGUMENTS 12 /* arguments of a note: <sys/sdt.h> has no macro for more */

enum uspan_usdt_location {
	USPAN_USDT_UNREADABLE = 0,
	USPAN_USDT_CONSTANT = 1,
	USPAN_USDT_REGISTER = 2,
	USPAN_USDT_MEMORY = 3,
};

/* Registers by number. x86-64: rax rbx rcx rdx rsi rdi rbp rsp r8 to r15. arm64: x0 to x30, sp. In place of a base or an index: */
#define USPAN_USDT_NO_REGISTER 0xff
#define USPAN_USDT_SITE 0xfe /* the address of the site itself */

/* Where one argument of a site is. */
struct uspan_usdt_argument {
	__u64 value;     /* a constant, or the number that is added to an address */
	__u8 location;   /* enum uspan_usdt_location */
	__u8 base;       /* the register, or that of an address */
	__u8 index;
	__u8 scale_bits; /* the index is shifted left by these */
	__u8 bytes;      /* 1, 2, 4, 8 */
	__u8 is_signed;
	__u8 shift_bits; /* of a register: the value begins at this bit */
	__u8 reserved;
};

/* One for each different argument string of an attached file. The site argument is its index among those of all files. */
struct uspan_usdt_spec {
	struct uspan_usdt_argument argument[USPAN_USDT_ARGUMENTS];
};

#define USPAN_USDT_SPECS 4096 /* of all attached files; a site whose index is not lower has none */

#endif
