import type { Binary, UsdtArgument, UsdtNote } from '../../../contract/binary.ts';
import type { Constants, MapEntry, Place, Point, ProbeDefinition } from '../../../contract/decision.ts';
import { spanWriter } from '../../../semconv/span-table.ts';
import { Constant, EventKind, PostgresqlConfig, PostgresqlMoment, PostgresqlText } from '../../layout.gen.ts';
import { openSpans } from '../../open-spans.ts';
import { encodeSpec, notesOf, specOf } from '../../sites/argument-specs.ts';
import { postgresqlSpan } from './span.ts';

const note = (name: string) => ({ at: 'note', provider: 'postgresql', name }) as const satisfies Place;
const entry = (name: string) => ({ at: 'nativeEntry', function: name, arguments: [0] }) as const satisfies Place;

const status = note('statement__status');

/**
 * PostgreSQL's own statements, by the USDT probes of its server and, for errors, by entries of functions that it exports to extensions.
 * bpf/usdt/postgresql.bpf.c says how they make a span. Errors are cold paths. A statement that succeeds hits only the first two.
 */
export const postgresql = {
  name: 'postgresql',
  library: 'PostgreSQL server',
  versions: 'PostgreSQL 12 – 18 built with --enable-dtrace (tested: Debian 15)',
  runtime: 'native',
  // The extended protocol has one status for each of Parse, Bind and Execute, and the simple one has one in all. Then come one executed and
  // one idle.
  hitsPerSpan: 3,
  object: 'postgresql',
  program: 'postgresql',
  configMap: 'postgresql_configs',
  inFlight: [
    openSpans('postgresql_sessions', EventKind.POSTGRESQL),
    { map: 'postgresql_texts', pidOffset: 0, activeOffset: PostgresqlText.open, swept: undefined },
  ],
  // Of sessions. Each has one request.
  entriesPerRequest: { postgresql_sessions: 1, postgresql_texts: 1 },
  recordKinds: [EventKind.POSTGRESQL],
  points: [
    {
      moment: PostgresqlMoment.STATUS,
      name: 'status',
      place: status,
      required: true,
      purpose: 'the start and end of every statement',
    },
    {
      moment: PostgresqlMoment.EXECUTED,
      name: 'executed',
      place: note('query__execute__done'),
      required: true,
      purpose: 'telling statements from what was only prepared',
    },
    {
      moment: PostgresqlMoment.FAILED,
      name: 'failed',
      place: entry('PortalErrorCleanup'),
      required: true,
      purpose: 'statements that fail',
    },
    {
      moment: PostgresqlMoment.EXIT,
      name: 'exit',
      place: entry('proc_exit'),
      required: false,
      purpose: 'statements that end with their session',
    },
    {
      moment: PostgresqlMoment.RENAMED,
      name: 'renamed',
      place: entry('pgstat_report_appname'),
      required: false,
      purpose: 'a changed application_name at once',
    },
    ...sqlState(PostgresqlMoment.ERROR, 'error', ['errstart_cold']),
    ...sqlState(PostgresqlMoment.CODE, 'code', ['errcode']),
    ...sqlState(PostgresqlMoment.ERRNO, 'errno', ['errcode_for_file_access', 'errcode_for_socket_access']),
    ...sqlState(PostgresqlMoment.RETHROWN, 'rethrown', ['ReThrowError', 'ThrowErrorData']),
  ],
  matches: (binary) => notesOf(binary, status).length > 0,
  constants,
  write: spanWriter(postgresqlSpan),
} as const satisfies ProbeDefinition;

function sqlState(moment: number, name: string, functions: readonly string[]): Point[] {
  return functions.map((each) => ({
    moment,
    name,
    place: entry(each),
    required: false,
    purpose: `the SQLSTATE of errors that pass through ${each}`,
  }));
}

/**
 * Byte offsets that no symbol gives, on 64-bit machines: `Port` of src/include/libpq/libpq-be.h and `ErrorData` of
 * src/include/utils/elog.h. Both are fixed within a major version, because extensions are compiled against them.
 */
interface Offsets {
  /** `Port.database_name`. `user_name` follows it. */
  readonly databaseName: number;
  /** `Port.raddr`. */
  readonly raddr: number;
  /** `ErrorData.sqlerrcode`. */
  readonly sqlErrorCode: number;
}

const offsetsByMajor: Readonly<Record<number, Offsets>> = {
  12: { databaseName: 328, raddr: 152, sqlErrorCode: 56 },
  13: { databaseName: 328, raddr: 152, sqlErrorCode: 56 },
  // ErrorData.show_funcname is gone.
  14: { databaseName: 328, raddr: 152, sqlErrorCode: 48 },
  15: { databaseName: 328, raddr: 152, sqlErrorCode: 48 },
  16: { databaseName: 328, raddr: 152, sqlErrorCode: 48 },
  // Port.canAcceptConnections is gone.
  17: { databaseName: 320, raddr: 152, sqlErrorCode: 48 },
  // Port.local_host has come.
  18: { databaseName: 384, raddr: 152, sqlErrorCode: 48 },
};

function constants(binary: Binary): Constants {
  const notes: string[] = [];
  // PG_BACKEND_VERSIONSTR, which `postgres --version` prints.
  const version = binary.constantText('postgres (PostgreSQL) ');
  const major = Number(version?.match(/^postgres \(PostgreSQL\) (\d+)/)?.[1]);
  const offsets = offsetsByMajor[major];
  if (!offsets) {
    notes.push(
      `without db.namespace, user and client address: fields of ${version?.trim() ?? 'this version'} are not known`,
    );
  }
  const view = new DataView(new ArrayBuffer(PostgresqlConfig.size));
  const put = (name: keyof typeof PostgresqlConfig, offset: number | undefined) =>
    view.setUint16(PostgresqlConfig[name], offset ?? Constant.FIELD_ABSENT, true);
  put('portDatabaseName', offsets?.databaseName);
  put('portRaddr', offsets?.raddr);
  put('errorCode', offsets?.sqlErrorCode);
  const specs = statusSpecs(binary);
  if (!specs.complete) notes.push('without who the client is: MyProcPort can not be told from where statements are');
  return { found: true, bytes: new Uint8Array(view.buffer), notes, entries: specs.entries };
}

/** Arguments of statement__status, followed by the variables of `enum uspan_postgresql_argument`. */
function statusSpecs(binary: Binary): { entries: MapEntry[]; complete: boolean } {
  const sites = notesOf(binary, status);
  const bySpec = Map.groupBy(sites, (site) => specOf(binary, site));
  // The distance to a variable differs from site to site. If several sites share one number, it is unknown.
  const distinct = bySpec.size === sites.length;
  const port = distinct ? binary.variable('MyProcPort') : undefined;
  const applicationName = distinct ? binary.variable('application_name') : undefined;
  const entries = [...bySpec].map(([spec, [site]]) => {
    const own = site!.arguments.slice(0, 1);
    const all = [...own, variable('MyProcPort', port, site!), variable('application_name', applicationName, site!)];
    return {
      map: 'usdt_specs',
      spec,
      value: encodeSpec(all, binary.machine),
    };
  });
  return { entries, complete: port !== undefined };
}

/** A pointer variable, addressed from a site. */
function variable(name: string, address: number | undefined, site: UsdtNote): UsdtArgument {
  if (address === undefined) return { text: name, readable: false, why: 'there is no such variable' };
  return {
    text: name,
    readable: true,
    bytes: 8,
    kind: 'unsigned',
    location: { in: 'memory', base: 'site', index: undefined, scaleBits: 0, offset: address - site.address },
  };
}
