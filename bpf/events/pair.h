/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* Part of event.h: spans between two sites, a start and an end, made from data. */
#ifndef USPAN_EVENTS_PAIR_H
#define USPAN_EVENTS_PAIR_H

enum uspan_pair_moment {
	USPAN_PAIR_START = 0,
	USPAN_PAIR_END = 1,
	USPAN_PAIR_DURING = 2, /* in between; only its arguments matter */
};

#define USPAN_PAIR_CAPTURES 12        /* arguments of all moments together that are kept: fields of the span, by their index */
#define USPAN_PAIR_TEXT_MAX_BYTES 255 /* one text */
#define USPAN_PAIR_TEXT_BYTES 516     /* all texts, each up to a multiple of 4, so that numbers, and the heads of all fields, always have room */
#define USPAN_PAIR_MAX_DEPTH 8        /* open pairs of one probe in a thread */

enum uspan_pair_capture_kind {
	USPAN_PAIR_CAPTURE_NONE = 0,
	USPAN_PAIR_CAPTURE_NUMBER = 1, /* a field of 8 bytes */
	USPAN_PAIR_CAPTURE_STRING = 2, /* ends at its NUL */
	USPAN_PAIR_CAPTURE_TEXT = 3,   /* another argument has its length */
};

/* An argument that the span gets. Those of the start come first, then those of `during`, then those of the end. */
struct uspan_pair_capture {
	__u8 kind; /* enum uspan_pair_capture_kind */
	__u8 moment;
	__u8 argument;
	__u8 length_argument;
};

/* Configuration of an attachment: a pair of probes that makes spans. */
struct uspan_pair_config {
	struct uspan_probe_head probe;
	__u32 captures;
	__u32 reserved;
	__u64 min_duration_ns; /* shorter ones are no spans */
	__u64 period_ns;       /* at most one span in this time, 0: no limit; but */
	__u64 burst_ns;        /* this much of it may be saved up */
	struct uspan_pair_capture capture[USPAN_PAIR_CAPTURES];
};

/*
 * What a pair keeps in uspan_open_span.own. In the outermost pair of a thread, `open` says how many are open, including those that are too
 * deep to be followed. In others it is not 0.
 */
struct uspan_pair_frame {
	__u64 ip;         /* of the start */
	__u64 sp;
	__u16 seen;       /* bit per capture: its site was reached */
	__u16 text_bytes; /* bytes of the fields that texts take */
	__u8 begun;       /* it has its ids */
	__u8 unreadable;  /* some argument could not be read */
	__u8 reserved[2];
};

#endif
