/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* Part of event.h: USDT arguments, and spans between a start and an end probe of USDT. */
#ifndef USPAN_EVENTS_USDT_H
#define USPAN_EVENTS_USDT_H

#define USPAN_USDT_ARGUMENTS 12 /* of a note at most: <sys/sdt.h> has no macro for more */

enum uspan_usdt_location {
	USPAN_USDT_UNREADABLE = 0,
	USPAN_USDT_CONSTANT = 1,
	USPAN_USDT_REGISTER = 2,
	USPAN_USDT_MEMORY = 3,
};

/*
 * Registers by number. x86-64: rax rbx rcx rdx rsi rdi rbp rsp r8 to r15; arm64: x0 to x30, sp. In place of a base or an index:
 */
#define USPAN_USDT_NO_REGISTER 0xff
#define USPAN_USDT_SITE 0xfe /* the address of the site itself */

/* Where one argument of a site is. */
struct uspan_usdt_argument {
	__u64 value;     /* a constant, or what is added to an address */
	__u8 location;   /* enum uspan_usdt_location */
	__u8 base;       /* the register, or that of an address */
	__u8 index;
	__u8 scale_bits; /* the index is shifted left by these */
	__u8 bytes;      /* 1, 2, 4, 8 */
	__u8 is_signed;
	__u8 shift_bits; /* of a register: the value begins at this bit */
	__u8 reserved;
};

/* One for each different argument string of an attached file; the upper half of a site's cookie is its index among those of all files. */
struct uspan_usdt_spec {
	struct uspan_usdt_argument argument[USPAN_USDT_ARGUMENTS];
};

#define USPAN_USDT_SPECS 4096 /* of all attached files; a site whose index is no lower has none */

enum uspan_usdt_moment {
	USPAN_USDT_START = 0,
	USPAN_USDT_END = 1,
	USPAN_USDT_DURING = 2, /* in between, and only looked at for what it tells of the pair */
};

#define USPAN_USDT_CAPTURES 12   /* arguments kept of both moments together */
#define USPAN_USDT_TEXT_BYTES 512 /* texts of one span; a power of two */
#define USPAN_USDT_TEXT_MAX_BYTES 255 /* one text */
#define USPAN_USDT_MAX_DEPTH 8 /* pairs of one probe open in a thread at a time */

enum uspan_usdt_capture_kind {
	USPAN_USDT_CAPTURE_NONE = 0,
	USPAN_USDT_CAPTURE_NUMBER = 1,
	USPAN_USDT_CAPTURE_STRING = 2, /* ends at its NUL */
	USPAN_USDT_CAPTURE_TEXT = 3,   /* another argument tells its length */
};

/* An argument that is wanted on the span. Those of the start come first, then those told during it, then those of the end. */
struct uspan_usdt_capture {
	__u8 kind; /* enum uspan_usdt_capture_kind */
	__u8 moment;
	__u8 argument;
	__u8 length_argument;
};

/* Per attached binary (index: probe id): a pair of probes that makes spans. */
struct uspan_usdt_pair_config {
	struct uspan_probe_head probe;
	__u32 captures;
	__u32 reserved;
	__u64 min_duration_ns;   /* shorter ones are no spans */
	__u64 period_ns;         /* at most one span in such a time, 0: no limit; but */
	__u64 burst_ns;          /* so much of it may be saved up */
	struct uspan_usdt_capture capture[USPAN_USDT_CAPTURES];
};

struct uspan_usdt_event {
	struct uspan_span_head span;
	__u16 seen;       /* bit per capture: its probe was reached */
	__u16 unreadable; /* bit per capture: its probe was reached, and its value could not be read */
	__u16 cut;        /* bit per capture: its text is longer */
	__u16 reserved;
	__u64 value[USPAN_USDT_CAPTURES]; /* a number, or the length of a text in bytes */
	/* then the texts, one after another in the order of the captures */
};

struct uspan_usdt_frame_key {
	__u32 pid;
	__u32 tid;
	__u32 probe_id;
	__u32 depth; /* 0: the outermost */
};

/* A pair between its start and its end: of one thread, and so also its scratch memory. */
struct uspan_usdt_frame {
	__u64 ip; /* of the start */
	__u64 sp;
	__u32 open; /* in the outermost: how many are open, with those too deep to be followed; in others not 0 */
	__u32 sampled;
	__u32 text_bytes;
	__u32 reserved;
	struct uspan_usdt_event event;
	__u8 text[USPAN_USDT_TEXT_BYTES * 2];
};

#endif
