/** A `struct uspan_sql_event` of Go's database/sql as a span. */
import type { Written } from '../../../contract/decision.ts';
import { type Resource, type Slab, SpanKind, type SpanWriter } from '../../../contract/span.ts';
import {
  type SqlSystem,
  sqlSystems,
  writeSqlCommand,
  writeSqlError,
  writeSqlPrepare,
  writeSqlStatement,
  writeSqlUnreadable,
} from '../../../semconv/sql-span.ts';
import { SpanFlag, SpanHead, SqlEvent, SqlOperation, SqlText, SqlSystem as System } from '../../layout.gen.ts';

/** By `enum uspan_sql_system`. */
const systems: readonly (SqlSystem | undefined)[] = Object.assign([], {
  [System.OTHER]: sqlSystems.other,
  [System.POSTGRESQL]: sqlSystems.postgresql,
  [System.MYSQL]: sqlSystems.mysql,
  [System.SQLITE]: sqlSystems.sqlite,
});

/** By `enum uspan_sql_operation`. */
const commands: readonly (string | undefined)[] = Object.assign([], {
  [SqlOperation.OP_BEGIN]: 'BEGIN',
  [SqlOperation.OP_COMMIT]: 'COMMIT',
  [SqlOperation.OP_ROLLBACK]: 'ROLLBACK',
});

/** What errors.New() errors of the standard library say. Another text may hold anything, and is not told. */
const wellKnown = new Map([
  ['context canceled', 'context.Canceled'],
  ['driver: bad connection', 'driver.ErrBadConn'],
  ['sql: database is closed', 'sql.ErrClosed'],
  ['sql: connection is already closed', 'sql.ErrConnDone'],
  ['sql: transaction has already been committed or rolled back', 'sql.ErrTxDone'],
  ['sql: statement is closed', 'sql.ErrStmtClosed'],
]);

/** Writes the record at byte offset `at`, unless its texts do not fit the length it tells. */
export function writeGoSqlSpan(slab: Slab, at: number, resource: Resource, out: SpanWriter): Written {
  const { bytes, words } = slab;
  const length = (text: number) =>
    bytes[at + SqlEvent.textLen + 2 * text]! | (bytes[at + SqlEvent.textLen + 2 * text + 1]! << 8);
  const statement = at + SqlEvent.size;
  const statementLength = length(SqlText.STATEMENT);
  const errorType = statement + statementLength;
  const message = errorType + length(SqlText.ERROR_TYPE);
  const status = message + length(SqlText.ERROR_MESSAGE);
  const end = status + length(SqlText.STATUS);
  const recordBytes = words[(at + SpanHead.headLen) >> 2]!;
  const system = systems[bytes[at + SqlEvent.system]!];
  if (recordBytes < SqlEvent.size || end > at + recordBytes || !system) return 'malformed';

  out.begin(slab, at, resource, SpanKind.client);
  const flags = words[(at + SpanHead.spanFlags) >> 2]!;
  const cut = (flags & SpanFlag.CUT) !== 0 && (bytes[at + SqlEvent.cutMask]! & (1 << SqlText.STATEMENT)) !== 0;
  const operation = bytes[at + SqlEvent.operation]!;
  const command = commands[operation];
  if (command !== undefined) writeSqlCommand(command, system, out);
  else if (operation === SqlOperation.OP_PREPARE) writeSqlPrepare(slab, statement, statementLength, cut, system, out);
  else writeSqlStatement(slab, statement, statementLength, cut, system, out);
  if (flags & SpanFlag.UNREADABLE && bytes[at + SqlEvent.unreadableMask]! & (1 << SqlText.STATEMENT)) {
    writeSqlUnreadable(out);
  }
  if (bytes[at + SqlEvent.failed] !== 0) {
    const number = words[(at + SqlEvent.statusNumber) >> 2]!;
    writeSqlError(
      number !== 0 ? String(number) : latin1(bytes, status, end),
      errorTypeOf(latin1(bytes, errorType, message), latin1(bytes, message, status)),
      out,
    );
  }
  out.end();
  return 'client';
}

/** `*pq.Error`; well-known errors by their name. */
function errorTypeOf(type: string, message: string): string {
  return wellKnown.get(message) ?? (type === '' ? '_OTHER' : type);
}

function latin1(bytes: Uint8Array, from: number, to: number): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset + from, to - from).toString('latin1');
}
