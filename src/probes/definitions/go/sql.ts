import type { Binary, GoTypes } from '../../../contract/binary.ts';
import type { Constants, ProbeDefinition } from '../../../contract/decision.ts';
import { registerSet } from '../../../discovery/isa/isa.ts';
import { isaOf } from '../../../discovery/isa/isa-of.ts';
import { spanWriter } from '../../../semconv/span-table.ts';
import { EventKind, GoSqlConfig, SqlDriverType } from '../../layout.gen.ts';
import { openSpans } from '../../open-spans.ts';
import { goFacts } from './binary.ts';
import { datadog, otel } from './instrumentation.ts';
import { driverTypes } from './sql-drivers.ts';
import { goSqlPoints } from './sql-points.ts';
import { goSqlSpan } from './sql-span.ts';

const sql = (name: string) => `database/sql.${name}`;

/**
 * Go's database/sql. From Go 1.21 to 1.27, it has this shape. From the pool, every method runs its operation in `db.retry`:
 *
 *     for i := 0; i < 2; i++ {
 *         err := fn(cachedOrNewConn)
 *         if err == nil || !errors.Is(err, driver.ErrBadConn) { return err }   // failed: the call; retried: the branch behind it
 *     }
 *     return fn(alwaysNewConn)
 *
 * A Tx or Conn calls `queryDC`, `execDC` or `prepareDC` with the connection that it holds, and with a function that gives it back. That
 * function gets the error: at once after `execDC` and `prepareDC`; after `queryDC` if that fails, otherwise when the rows are closed.
 */
export const goSql = {
  name: 'go/database/sql',
  library: 'database/sql',
  versions: 'Go 1.21 – 1.27',
  runtime: 'go',
  // On a held connection, queries and prepared statements have one more hit when they give it back. A query that fails ends there.
  hitsPerSpan: 2,
  object: 'go_sql',
  program: 'go_sql',
  configMap: 'go_sql_configs',
  inFlight: [openSpans('go_sql_in_flight', EventKind.SQL)],
  // Half of it is for finished operations of goroutines that run more operations.
  entriesPerRequest: { go_sql_in_flight: 2 },
  lruEntriesPerRequest: { go_connections: 1, go_goroutines: 1, go_sql_systems: 1 / 4 },
  instrumentedBy: [
    otel('github.com/XSAM/otelsql'),
    otel('go.nhat.io/otelsql'),
    otel('github.com/uptrace/opentelemetry-go-extra/otelsql'),
    datadog('database/sql'),
  ],
  recordKinds: [EventKind.SQL],
  points: goSqlPoints,
  matches: (binary) => binary.symbols.find(sql('(*DB).retry')) !== undefined,
  constants,
  write: spanWriter(goSqlSpan),
} as const satisfies ProbeDefinition;

const fields = {
  dbConnector: [sql('DB'), 'connector'],
  stmtDb: [sql('Stmt'), 'db'],
  stmtQuery: [sql('Stmt'), 'query'],
  connDb: [sql('driverConn'), 'db'],
  txConn: [sql('Tx'), 'dc'],
  txCtx: [sql('Tx'), 'ctx'],
} as const;
/** A program without prepared statements, or without transactions, may lack the type. */
const dispensable = new Set<string>([sql('Stmt'), sql('Tx')]);

function constants(binary: Binary): Constants {
  const types = binary.go?.types;
  if (!types) return { found: false, missing: 'Go type descriptors' };
  const offsets: Partial<Record<keyof typeof fields, number>> = {};
  for (const [name, [type, field]] of Object.entries(fields) as [keyof typeof fields, readonly [string, string]][]) {
    const offset = types.field(type, field)?.flatOffset;
    if (offset === undefined && !dispensable.has(type)) {
      return { found: false, missing: `${type}.${field}` };
    }
    offsets[name] = offset ?? 0;
  }
  const { dbConnector = 0, stmtDb = 0, stmtQuery = 0, connDb = 0, txConn = 0, txCtx = 0 } = offsets;
  if (stmtQuery !== 0 && stmtQuery !== stmtDb + 8)
    return { found: false, missing: 'database/sql.Stmt.query behind db' };
  const view = new DataView(new ArrayBuffer(GoSqlConfig.size));
  view.setUint16(GoSqlConfig.dbConnector, dbConnector, true);
  view.setUint16(GoSqlConfig.dsnDriver, types.field(sql('dsnConnector'), 'driver')?.flatOffset ?? 0, true);
  view.setUint16(GoSqlConfig.stmtDb, stmtDb, true);
  view.setUint16(GoSqlConfig.connDb, connDb, true);
  view.setUint16(GoSqlConfig.txConn, txConn, true);
  view.setUint16(GoSqlConfig.txCtx, txCtx, true);
  view.setUint16(GoSqlConfig.final, isNegated(binary) ? 1 : 0, true);
  putDrivers(types, view);
  return { found: true, bytes: new Uint8Array(view.buffer), ...goFacts(binary) };
}

/**
 * Whether `!errors.Is(…)` in `retry` is in its register by the next branch, in place of `errors.Is(…)`. The compiler writes it so if it does
 * not optimise (-N): the result is stored at an offset from the stack pointer, and its lowest bit is turned over.
 */
function isNegated(binary: Binary): boolean {
  const [retry, is] = [sql('(*DB).retry'), 'errors.Is'].map((name) => binary.symbols.find(name));
  if (!retry || !is) return false;
  const isa = isaOf(binary.machine);
  const code = binary.code(retry, maxRetryBytes);
  const call = isa
    .decode(code, retry.address, maxRetryBytes)
    .find(({ flow, target }) => flow === 'call' && target === is.address);
  if (!call) return false;
  let left = 3;
  for (const { negates, writes } of isa.effects(code.subarray(call.address + call.length - retry.address))) {
    if (negates === isa.goRegisters[0]) return true;
    if (writes & registerSet(isa.goRegisters.slice(0, 1)) || --left === 0) return false;
  }
  return false;
}

const maxRetryBytes = 4096;

/** The known types that the program has. */
function putDrivers(types: GoTypes, view: DataView): void {
  let at: number = GoSqlConfig.driverTypes;
  for (const { type, system } of driverTypes) {
    const hash = types.hash(type);
    if (hash === undefined) continue;
    view.setUint32(at + SqlDriverType.typeHash, hash, true);
    view.setUint32(at + SqlDriverType.system, system, true);
    at += SqlDriverType.size;
  }
}
