/**
 * What all SQL spans say alike, by the stable database conventions: name, statement, operation, target and failure. `sqlStatement`,
 * `sqlPrepare` or `writeSqlCommand` is a table's `name`, because the name comes from the statement.
 */
import { attributeKey } from '../contract/attribute-key.ts';
import { type SpanWriter, StatusCode } from '../contract/span.ts';
import type { SpanRecord } from '../probes/span-record.ts';
import { SqlCache } from '../sql/cache.ts';
import type { SqlDialect } from '../sql/scanner.ts';

const key = {
  system: attributeKey('db.system.name'),
  text: attributeKey('db.query.text'),
  summary: attributeKey('db.query.summary'),
  operation: attributeKey('db.operation.name'),
  collection: attributeKey('db.collection.name'),
  status: attributeKey('db.response.status_code'),
  errorType: attributeKey('error.type'),
} as const;

export interface SqlSystem {
  /** `db.system.name`. */
  readonly name: string;
  readonly dialect: SqlDialect;
}

export const sqlSystems = {
  postgresql: { name: 'postgresql', dialect: 'postgresql' },
  mysql: { name: 'mysql', dialect: 'mysql' },
  sqlite: { name: 'sqlite', dialect: 'sqlite' },
  other: { name: 'other_sql', dialect: 'other' },
} as const satisfies Record<string, SqlSystem>;

/** Results depend only on the statement, so all definitions share one cache. */
const cache = new SqlCache();

/** Names the span and describes the statement in a field. The table handles its marks. */
export function sqlStatement(record: SpanRecord, field: number, system: SqlSystem, out: SpanWriter): void {
  const { text, operation, collection, summary } = read(record, field, system);
  out.nameText(summary === '' ? system.name : summary);
  out.text(key.system, system.name);
  if (text !== '') out.text(key.text, text);
  if (summary !== '') out.text(key.summary, summary);
  if (operation !== undefined) out.text(key.operation, operation);
  if (collection !== undefined) out.text(key.collection, collection);
}

/** The same for preparing the statement: `PREPARE`, with its target. */
export function sqlPrepare(record: SpanRecord, field: number, system: SqlSystem, out: SpanWriter): void {
  const { text, collection } = read(record, field, system);
  const summary = collection === undefined ? 'PREPARE' : `PREPARE ${collection}`;
  out.nameText(summary);
  out.text(key.system, system.name);
  if (text !== '') out.text(key.text, text);
  out.text(key.summary, summary);
  out.text(key.operation, 'PREPARE');
  if (collection !== undefined) out.text(key.collection, collection);
}

function read(record: SpanRecord, field: number, { dialect }: SqlSystem) {
  const cut = (record.cut & (1 << field)) !== 0;
  return cache.read(record.slab, record.at(field), record.length(field), dialect, cut);
}

/** The same without a statement: `BEGIN`, `COMMIT`, `ROLLBACK`. */
export function writeSqlCommand(operation: string, system: SqlSystem, out: SpanWriter): void {
  out.nameText(operation);
  out.text(key.system, system.name);
  out.text(key.summary, operation);
  out.text(key.operation, operation);
}

/**
 * The operation failed.
 * @param status what the database answered, as SQLSTATE or its own number. Empty: it did not answer
 * @param errorType what failed, of low cardinality. Used if there is no status
 */
export function writeSqlError(status: string, errorType: string, out: SpanWriter): void {
  if (status !== '') out.text(key.status, status);
  out.text(key.errorType, status !== '' ? status : errorType);
  out.status(StatusCode.error);
}
