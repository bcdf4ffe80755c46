// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
/* No program: the maps that every object shares. They are made before the first object is opened. */
#include "span/spans.h"

char LICENSE[] SEC("license") = "GPL";
