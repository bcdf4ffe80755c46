/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* White space around a header's value: OWS of RFC 9110 section 5.6.3. */
#ifndef USPAN_BLANK_H
#define USPAN_BLANK_H

#include "common/vmlinux.h"

static __always_inline bool is_blank(__u8 byte)
{
	return byte == ' ' || byte == '\t';
}

#endif
