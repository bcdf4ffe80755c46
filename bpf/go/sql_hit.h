/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* A hit in Go's database/sql, and what an operation begins with: which register has it, for each moment. */
#ifndef USPAN_GO_SQL_HIT_H
#define USPAN_GO_SQL_HIT_H

#include "common/regs.h"
#include "go/binary.h"
#include "go/value.h"
#include "span/spans.h"

/* Its registers are read once. If a compiler chooses among them by their offset in the context, verifiers refuse the program. */
struct hit {
	const struct uspan_go_sql_config *config;
	__u64 argument[9]; /* of the function called, or its results */
	struct uspan_open_span_key key;
	__u64 pid_tgid;
	__u64 base; /* load address of the program minus its link-time address */
	struct site site;
};

static __always_inline void read_arguments(const volatile struct pt_regs *ctx, struct hit *hit)
{
	hit->argument[0] = GO_ARG0(ctx);
	hit->argument[1] = GO_ARG1(ctx);
	hit->argument[2] = GO_ARG2(ctx);
	hit->argument[3] = GO_ARG3(ctx);
	hit->argument[4] = GO_ARG4(ctx);
	hit->argument[5] = GO_ARG5(ctx);
	hit->argument[6] = GO_ARG6(ctx);
	hit->argument[7] = GO_ARG7(ctx);
	hit->argument[8] = GO_ARG8(ctx);
}

/* What an operation begins with. */
struct beginning {
	struct go_interface context; /* all zero: none is at hand */
	struct uspan_text_ref statement;
	__u64 db;
	enum uspan_sql_connection connection;
	enum uspan_sql_operation operation;
};

/* (*Stmt).QueryContext, ExecContext (s *Stmt, ctx context.Context, args ...any) */
static __always_inline void of_statement(const struct hit *hit, struct beginning *beginning, __u64 statement)
{
	struct {
		__u64 db;
		struct uspan_text_ref query;
	} fields = {};

	bpf_probe_read_user(&fields, sizeof(fields), (void *)(statement + hit->config->stmt_db));
	beginning->db = fields.db;
	beginning->statement = fields.query;
}

/*
 * The context of the transaction that ends at `withLock(tx.dc, func() { err = tx.txi.Commit() })`. From Go 1.21 to 1.27, the function is
 * its code, &err and tx. All zero if it is not.
 */
static __always_inline struct go_interface transaction_context(const struct hit *hit)
{
	struct go_interface context = {};
	__u64 tx;

	if (!hit->config->tx_ctx)
		return context;
	tx = go_word(hit->argument[2] + 16);
	if (go_word(tx + hit->config->tx_conn) == hit->argument[1])
		bpf_probe_read_user(&context, sizeof(context), (void *)(tx + hit->config->tx_ctx));
	return context;
}

/* Fills in what a start has in its registers. False for another moment. */
static __always_inline bool beginning_of(const struct hit *hit, struct beginning *beginning)
{
	beginning->db = hit->argument[0];
	beginning->context.type = hit->argument[1];
	beginning->context.data = hit->argument[2];
	beginning->connection = USPAN_SQL_FROM_POOL;
	switch (hit->site.moment) {
	case USPAN_SQL_DB_PREPARE: /* (db *DB, ctx context.Context, query string) */
		beginning->operation = USPAN_SQL_OP_PREPARE;
	case USPAN_SQL_DB_RUN: /* (db *DB, ctx context.Context, query string, args ...any) */
		beginning->statement.ptr = hit->argument[3];
		beginning->statement.len = hit->argument[4];
		return true;
	case USPAN_SQL_STMT_RUN:
		of_statement(hit, beginning, hit->argument[0]);
		return true;
	case USPAN_SQL_BEGIN: /* (db *DB, ctx context.Context, opts *TxOptions) */
		beginning->operation = USPAN_SQL_OP_BEGIN;
		return true;
	}
	beginning->connection = USPAN_SQL_HELD;
	switch (hit->site.moment) {
	case USPAN_SQL_HELD_PREPARE: /* (db *DB, ctx context.Context, dc *driverConn, release func(error), cg stmtConnGrabber, query string) */
		beginning->operation = USPAN_SQL_OP_PREPARE;
	case USPAN_SQL_HELD_QUERY: /* (db *DB, ctx, txctx context.Context, dc *driverConn, releaseConn func(error), query string, args []any) */
		beginning->statement.ptr = hit->argument[7];
		beginning->statement.len = hit->argument[8];
		return true;
	case USPAN_SQL_HELD_EXEC: /* (db *DB, ctx context.Context, dc *driverConn, release func(error), query string, args []any) */
		beginning->statement.ptr = hit->argument[5];
		beginning->statement.len = hit->argument[6];
		return true;
	case USPAN_SQL_HELD_BEGIN: /* (db *DB, ctx context.Context, dc *driverConn, release func(error), opts *TxOptions) */
		beginning->operation = USPAN_SQL_OP_BEGIN;
		return true;
	case USPAN_SQL_COMMIT: /* withLock(lk sync.Locker, fn func()): the locker is a *driverConn */
	case USPAN_SQL_ROLLBACK:
		beginning->operation = hit->site.moment == USPAN_SQL_COMMIT ? USPAN_SQL_OP_COMMIT : USPAN_SQL_OP_ROLLBACK;
		beginning->db = go_word(hit->argument[1] + hit->config->conn_db);
		beginning->context = transaction_context(hit);
		return true;
	}
	return false;
}

#endif
