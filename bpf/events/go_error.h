/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* Part of event.h: what an error of a Go program is. go/errors.h uses it. src/probes/definitions/go/errors.ts has the types. */
#ifndef USPAN_EVENTS_GO_ERROR_H
#define USPAN_EVENTS_GO_ERROR_H

/* What is read of an error of a known type, at an offset in its struct. */
enum uspan_go_error_reads {
	USPAN_GO_ERROR_READS_NOTHING = 0,
	USPAN_GO_ERROR_READS_ERRNO = 1,  /* the number of a failed system call */
	USPAN_GO_ERROR_READS_TEXT = 2,   /* a message, a string */
	USPAN_GO_ERROR_READS_SKIP = 3,   /* it is a signal between parts of a library, and not a failure */
	USPAN_GO_ERROR_READS_STATUS = 4, /* a code that a database answered, as a string */
	USPAN_GO_ERROR_READS_INT = 5,    /* the same, an int */
	USPAN_GO_ERROR_READS_U16 = 6,    /* the same, a uint16 */
};

/* A known type of error. Offsets are in bytes. */
struct uspan_go_error {
	__u32 type_hash; /* internal/abi.Type.Hash; 0: not in the binary */
	__u16 inner;     /* the error that it wraps, an interface, which says more; USPAN_FIELD_ABSENT: none */
	__u16 reads;     /* enum uspan_go_error_reads */
	__u16 at;        /* what is read */
	__u16 reserved;
};

#define USPAN_GO_ERRORS 64

/* A type of the program, with Unwrap(), that has the error that it wraps in a field. */
struct uspan_go_error_wrapper {
	__u32 type_hash;
	__u16 inner; /* offset in bytes, of an interface */
	__u16 reserved;
};

#define USPAN_GO_ERROR_WRAPPERS 192

/* Fields of any record whose span failed with a Go error. Sources number their own fields from 0. */
enum uspan_go_error_field {
	USPAN_GO_ERROR_KNOWN = 24,         /* a number: 1 + index of the innermost known type; 0: no type is known */
	USPAN_GO_ERROR_ERRNO = 25,         /* a number */
	USPAN_GO_ERROR_MESSAGE = 26,       /* of an error that is only a text: which of the well-known ones it is; never exported */
	USPAN_GO_ERROR_TYPE = 27,          /* the name of the outermost wrapper's type, or of the innermost type if it is unknown: `*pq.Error` */
	USPAN_GO_ERROR_STATUS = 28,        /* what a database answered */
	USPAN_GO_ERROR_STATUS_NUMBER = 29, /* the same, as a number */
};

#endif
