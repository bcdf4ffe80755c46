/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* What the agent sets before it loads an object. */
#ifndef USPAN_CONFIG_H
#define USPAN_CONFIG_H

#include "common/vmlinux.h"
#include "event.h"
#include <bpf/bpf_helpers.h>

const volatile struct uspan_config uspan_config = {
	.in_flight_keep = 16384,
	.wake_bytes = 1 << 20,
};

#endif
