/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* Part of event.h: spans between two sites, a start and an end, as data says. */
#ifndef USPAN_EVENTS_PAIR_H
#define USPAN_EVENTS_PAIR_H

enum uspan_pair_moment {
	USPAN_PAIR_START = 0,
	USPAN_PAIR_END = 1,
	USPAN_PAIR_DURING = 2, /* in between, and only looked at for what it tells of the pair */
};

#define USPAN_PAIR_CAPTURES 12        /* arguments kept of all moments together: fields of the span, by their index */
#define USPAN_PAIR_TEXT_MAX_BYTES 255 /* one text */
#define USPAN_PAIR_TEXT_BYTES 516     /* all texts, each up to a multiple of 4: so numbers, and the heads of all fields, find room in any case */
#define USPAN_PAIR_MAX_DEPTH 8        /* pairs of one probe open in a thread at a time */

enum uspan_pair_capture_kind {
	USPAN_PAIR_CAPTURE_NONE = 0,
	USPAN_PAIR_CAPTURE_NUMBER = 1, /* a field of 8 bytes */
	USPAN_PAIR_CAPTURE_STRING = 2, /* ends at its NUL */
	USPAN_PAIR_CAPTURE_TEXT = 3,   /* another argument tells its length */
};

/* An argument that is wanted on the span. Those of the start come first, then those told during it, then those of the end. */
struct uspan_pair_capture {
	__u8 kind; /* enum uspan_pair_capture_kind */
	__u8 moment;
	__u8 argument;
	__u8 length_argument;
};

/* Per attached binary (index: probe id): a pair of probes that makes spans. */
struct uspan_pair_config {
	struct uspan_probe_head probe;
	__u32 captures;
	__u32 reserved;
	__u64 min_duration_ns; /* shorter ones are no spans */
	__u64 period_ns;       /* at most one span in such a time, 0: no limit; but */
	__u64 burst_ns;        /* so much of it may be saved up */
	struct uspan_pair_capture capture[USPAN_PAIR_CAPTURES];
};

/*
 * What a pair keeps in uspan_open_span.own. There, `open` says in the outermost one of a thread how many are open, with those too deep to be
 * followed; in others it is not 0.
 */
struct uspan_pair_frame {
	__u64 ip;         /* of the start */
	__u64 sp;
	__u16 seen;       /* bit per capture: its site was reached */
	__u16 text_bytes; /* that texts take of the fields */
	__u8 begun;       /* it has its ids */
	__u8 unreadable;  /* some argument could not be read */
	__u8 reserved[2];
};

#endif
