/** A `struct uspan_node_sqlite_event` as a span. */
import type { Written } from '../../../contract/decision.ts';
import { type Resource, type Slab, SpanKind, type SpanWriter } from '../../../contract/span.ts';
import {
  sqlSystems,
  writeSqlError,
  writeSqlPrepare,
  writeSqlStatement,
  writeSqlUnreadable,
} from '../../../semconv/sql-span.ts';
import { NodeSqliteEvent, SpanFlag, SpanHead } from '../../layout.gen.ts';

/** Writes the record at byte offset `at`, unless its text does not fit the length it tells. */
export function writeNodeSqliteSpan(slab: Slab, at: number, resource: Resource, out: SpanWriter): Written {
  const { bytes, words } = slab;
  const text = at + NodeSqliteEvent.size;
  const length = bytes[at + NodeSqliteEvent.textLen]! | (bytes[at + NodeSqliteEvent.textLen + 1]! << 8);
  const recordBytes = words[(at + SpanHead.headLen) >> 2]!;
  if (recordBytes < NodeSqliteEvent.size || text + length > at + recordBytes) return 'malformed';
  const flags = words[(at + SpanHead.spanFlags) >> 2]!;

  out.begin(slab, at, resource, SpanKind.client);
  const write = bytes[at + NodeSqliteEvent.prepare] === 1 ? writeSqlPrepare : writeSqlStatement;
  write(slab, text, length, (flags & SpanFlag.CUT) !== 0, sqlSystems.sqlite, out);
  if (flags & SpanFlag.UNREADABLE) writeSqlUnreadable(out);
  const code = words[(at + NodeSqliteEvent.resultCode) >> 2]!;
  if (code !== 0) writeSqlError(String(code), '', out);
  out.end();
  return 'client';
}
