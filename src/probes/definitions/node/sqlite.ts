import type { Binary, FunctionSymbol } from '../../../contract/binary.ts';
import type { Constants, ProbeDefinition } from '../../../contract/decision.ts';
import { spanWriter } from '../../../semconv/span-table.ts';
import { EventKind, NodeSqliteConfig, NodeSqliteMoment } from '../../layout.gen.ts';
import { openSpans } from '../../open-spans.ts';
import { firstFieldRead } from '../../sites/accessors.ts';
import { nodeSqliteSpan } from './sqlite-span.ts';

const callback = (method: string) => `_ZN4node6sqlite${method}ERKN2v820FunctionCallbackInfoINS2_5ValueEEE`;
const exec = callback('12DatabaseSync4Exec');
const prepare = callback('12DatabaseSync7Prepare');
const prepares = ['sqlite3_prepare_v2', 'sqlite3_prepare_v3'];

/** `node:sqlite`: what JavaScript runs on the SQLite that Node.js contains, without what SQLite runs for itself. */
export const nodeSqlite = {
  name: 'node/sqlite',
  library: 'node:sqlite',
  versions: 'Node.js 22 – 26, official builds',
  runtime: 'node',
  // Two for exec() and for a failed prepare(). Two for a statement, with any number of rows.
  hitsPerSpan: 2,
  object: 'node_sqlite',
  program: 'node_sqlite',
  configMap: 'node_sqlite_configs',
  inFlight: [openSpans('node_sqlite_in_flight', EventKind.NODE_SQLITE)],
  // Half of it is for statements that stay prepared.
  entriesPerRequest: { node_sqlite_in_flight: 2 },
  recordKinds: [EventKind.NODE_SQLITE],
  points: [
    {
      moment: NodeSqliteMoment.RESET,
      name: 'reset',
      place: { at: 'nativeEntry', function: 'sqlite3_reset', arguments: [0] },
      required: true,
      purpose: 'prepared statements',
    },
    {
      moment: NodeSqliteMoment.EXEC,
      name: 'exec',
      place: { at: 'call', function: exec, callees: ['sqlite3_exec'] },
      required: false,
      purpose: 'database.exec()',
    },
    {
      moment: NodeSqliteMoment.EXECUTED,
      name: 'executed',
      place: { at: 'afterCall', function: exec, callee: 'sqlite3_exec' },
      required: false,
      purpose: 'the end of database.exec()',
    },
    {
      moment: NodeSqliteMoment.PREPARE,
      name: 'prepare',
      place: { at: 'call', function: prepare, callees: prepares },
      required: false,
      purpose: 'statements that cannot be prepared',
    },
    {
      moment: NodeSqliteMoment.PREPARED,
      name: 'prepared',
      place: { at: 'afterCall', function: prepare, callee: prepares },
      required: false,
      purpose: 'why statements cannot be prepared',
    },
  ],
  matches: (binary) => binary.symbols.find(exec) !== undefined,
  constants,
  write: spanWriter(nodeSqliteSpan),
} as const satisfies ProbeDefinition;

/** Functions of node:sqlite that reset a statement before they run it. Not every release has all of them. */
const runners = [
  callback('13StatementSync3All'),
  callback('13StatementSync3Get'),
  callback('13StatementSync3Run'),
  callback('13StatementSync7Iterate'),
  '_ZN4node6sqlite11SQLTagStore21ResetAndBindStatementE',
];
/** They come from one source file of some 60 KB. */
const maxCallersBytes = 1 << 20;

/** Fields of SQLite's statements, by functions that do little more than read one (vdbeapi.c, vdbeaux.c). */
const fields = [
  { name: 'zSql', at: NodeSqliteConfig.sql, accessor: 'sqlite3_sql', bytes: 8 },
  { name: 'eVdbeState', at: NodeSqliteConfig.state, accessor: 'sqlite3_stmt_busy', bytes: 1 },
  { name: 'rc', at: NodeSqliteConfig.resultCode, accessor: 'sqlite3VdbeTransferError', bytes: 4 },
] as const;

function constants(binary: Binary): Constants {
  const view = new DataView(new ArrayBuffer(NodeSqliteConfig.size));
  for (const { name, at, accessor, bytes } of fields) {
    const symbol = binary.symbols.find(accessor);
    const offset = symbol && firstFieldRead(binary, symbol, bytes);
    if (offset === undefined) return { found: false, missing: `Vdbe.${name}, which ${accessor} should read` };
    view.setUint16(at, offset, true);
  }
  const reset = binary.symbols.find('sqlite3_reset');
  const callers = runners.map((name) => find(binary, name)).filter((symbol) => symbol !== undefined);
  const low = Math.min(...callers.map(({ address }) => address));
  const high = Math.max(...callers.map(({ address, sizeBytes }) => address + sizeBytes));
  if (!reset || callers.length === 0 || high - low > maxCallersBytes) {
    return { found: false, missing: 'the code of node:sqlite, as one piece' };
  }
  view.setInt32(NodeSqliteConfig.callersLow, low - reset.address, true);
  view.setInt32(NodeSqliteConfig.callersHigh, high - reset.address, true);
  return { found: true, bytes: new Uint8Array(view.buffer), notes: [] };
}

function find(binary: Binary, name: string): FunctionSymbol | undefined {
  return binary.symbols.find(name) ?? binary.symbols.findMatching(name, new RegExp(`^${name}[^.]*$`));
}
