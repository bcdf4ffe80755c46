/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* The methods that Node's HTTP parser knows, by their number. */
#ifndef USPAN_NODE_METHODS_H
#define USPAN_NODE_METHODS_H

#include "common/vmlinux.h"

struct method {
	char text[15];
	__u8 len;
};

#define METHOD(text) { text, sizeof(text) - 1 }

/* llhttp's HTTP_METHOD_MAP: a method's number is its index here. */
static const struct method methods[] = {
	METHOD("DELETE"), METHOD("GET"), METHOD("HEAD"), METHOD("POST"), METHOD("PUT"), METHOD("CONNECT"),
	METHOD("OPTIONS"), METHOD("TRACE"), METHOD("COPY"), METHOD("LOCK"), METHOD("MKCOL"), METHOD("MOVE"),
	METHOD("PROPFIND"), METHOD("PROPPATCH"), METHOD("SEARCH"), METHOD("UNLOCK"), METHOD("BIND"),
	METHOD("REBIND"), METHOD("UNBIND"), METHOD("ACL"), METHOD("REPORT"), METHOD("MKACTIVITY"),
	METHOD("CHECKOUT"), METHOD("MERGE"), METHOD("M-SEARCH"), METHOD("NOTIFY"), METHOD("SUBSCRIBE"),
	METHOD("UNSUBSCRIBE"), METHOD("PATCH"), METHOD("PURGE"), METHOD("MKCALENDAR"), METHOD("LINK"),
	METHOD("UNLINK"), METHOD("SOURCE"), METHOD("PRI"), METHOD("DESCRIBE"), METHOD("ANNOUNCE"), METHOD("SETUP"),
	METHOD("PLAY"), METHOD("PAUSE"), METHOD("TEARDOWN"), METHOD("GET_PARAMETER"), METHOD("SET_PARAMETER"),
	METHOD("REDIRECT"), METHOD("RECORD"), METHOD("FLUSH"), METHOD("QUERY"),
};

#define METHOD_HEAD 2
#define METHOD_CONNECT 5
#define METHODS (sizeof(methods) / sizeof(methods[0]))

#endif
