/** A `struct uspan_postgresql_event` as a span, by the stable database conventions (design §6). */
import { attributeKey } from '../../../contract/attribute-key.ts';
import type { Written } from '../../../contract/decision.ts';
import { type Resource, type Slab, SpanKind, type SpanWriter } from '../../../contract/span.ts';
import { ipv4Text, ipv6Text } from '../../../semconv/ip-address.ts';
import { sqlSystems, writeSqlError, writeSqlStatement, writeSqlUnreadable } from '../../../semconv/sql-span.ts';
import { PostgresqlEvent, PostgresqlText, SpanFlag, SpanHead } from '../../layout.gen.ts';

const key = {
  namespace: attributeKey('db.namespace'),
  clientAddress: attributeKey('client.address'),
  peerAddress: attributeKey('network.peer.address'),
  peerPort: attributeKey('network.peer.port'),
  user: attributeKey('user.name'),
  application: attributeKey('uspan.postgresql.application_name'),
  backendPid: attributeKey('uspan.postgresql.backend_pid'),
} as const;

const inet = 2;
const inet6 = 10;

/**
 * The database's own work is a server span: its other half, the caller's, is a client span. `tid` of the record is the backend's pid,
 * that of pg_stat_activity and of the server's log.
 */
export function writePostgresqlSpan(slab: Slab, at: number, resource: Resource, out: SpanWriter): Written {
  const { bytes, words } = slab;
  const lengths = at + PostgresqlEvent.textLen;
  const length = (text: number) => bytes[lengths + 2 * text]! | (bytes[lengths + 2 * text + 1]! << 8);
  const database = at + PostgresqlEvent.size;
  const user = database + length(PostgresqlText.DATABASE);
  const application = user + length(PostgresqlText.USER);
  const namesEnd = application + length(PostgresqlText.APPLICATION);
  const statement = (namesEnd + 3) & ~3;
  const end = statement + length(PostgresqlText.STATEMENT);
  const recordBytes = words[(at + SpanHead.headLen) >> 2]!;
  if (recordBytes < PostgresqlEvent.size || end > at + recordBytes) return 'malformed';

  out.begin(slab, at, resource, SpanKind.server);
  const flags = words[(at + SpanHead.spanFlags) >> 2]!;
  writeSqlStatement(slab, statement, end - statement, (flags & SpanFlag.CUT) !== 0, sqlSystems.postgresql, out);
  if (flags & SpanFlag.UNREADABLE) writeSqlUnreadable(out);
  if (user > database) out.bytes(key.namespace, slab, database, user - database);
  if (application > user) out.bytes(key.user, slab, user, application - user);
  if (namesEnd > application) out.bytes(key.application, slab, application, namesEnd - application);
  writePeer(slab, at, out);
  out.int(key.backendPid, words[(at + SpanHead.headTid) >> 2]!);
  if (words[(at + PostgresqlEvent.failed) >> 2] !== 0) {
    writeSqlError(sqlState(words[(at + PostgresqlEvent.sqlstate) >> 2]!), '_OTHER', out);
  }
  out.end();
  return 'server';
}

/** A Unix socket has no address. */
function writePeer({ bytes }: Slab, at: number, out: SpanWriter): void {
  const family = bytes[at + PostgresqlEvent.peerFamily];
  if (family !== inet && family !== inet6) return;
  const address = (family === inet ? ipv4Text : ipv6Text)(bytes, at + PostgresqlEvent.peerAddress);
  const port = at + PostgresqlEvent.peerPort;
  out.text(key.clientAddress, address);
  out.text(key.peerAddress, address);
  out.int(key.peerPort, (bytes[port]! << 8) | bytes[port + 1]!);
}

/**
 * Five characters of six bits each, the first in the lowest (MAKE_SQLSTATE of src/include/utils/elog.h). Empty for what is not known: no
 * error has 00000, "successful completion".
 */
function sqlState(packed: number): string {
  if (packed === 0) return '';
  let code = '';
  for (let shift = 0; shift < 30; shift += 6) code += String.fromCharCode(((packed >> shift) & 63) + 0x30);
  return code;
}
