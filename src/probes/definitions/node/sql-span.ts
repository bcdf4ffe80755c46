/** A `struct uspan_node_sql_event` as a span, by the stable database conventions. */
import { attributeKey } from '../../../contract/attribute-key.ts';
import type { Written } from '../../../contract/decision.ts';
import { type Resource, type Slab, SpanKind, type SpanWriter } from '../../../contract/span.ts';
import { sqlSystems, writeSqlError, writeSqlStatement, writeSqlUnreadable } from '../../../semconv/sql-span.ts';
import { NodeSqlEvent, SpanFlag, SpanHead } from '../../layout.gen.ts';
import { nodeErrorType } from './errors.ts';
import { peerAddress, peerPort } from './peer.ts';

const key = {
  namespace: attributeKey('db.namespace'),
  serverAddress: attributeKey('server.address'),
  serverPort: attributeKey('server.port'),
  peerAddress: attributeKey('network.peer.address'),
  peerPort: attributeKey('network.peer.port'),
} as const;

/** Writes the record at byte offset `at`, unless its texts do not fit the length it tells. */
export function writeNodeSqlSpan(slab: Slab, at: number, resource: Resource, out: SpanWriter): Written {
  const { words } = slab;
  const text = at + NodeSqlEvent.size;
  const textLength = words[(at + NodeSqlEvent.textLen) >> 2]!;
  const databaseLength = words[(at + NodeSqlEvent.databaseLen) >> 2]! & 0xffff;
  const database = text + textLength;
  const recordBytes = words[(at + SpanHead.headLen) >> 2]!;
  if (recordBytes < NodeSqlEvent.size || database + databaseLength > at + recordBytes) return 'malformed';

  const flags = words[(at + SpanHead.spanFlags) >> 2]!;
  out.begin(slab, at, resource, SpanKind.client);
  // There is no text where a statement is executed that was prepared before the probes were there.
  writeSqlStatement(slab, text, textLength, (flags & SpanFlag.CUT) !== 0, sqlSystems.postgresql, out);
  if (flags & SpanFlag.UNREADABLE) writeSqlUnreadable(out);
  if (databaseLength > 0) out.bytes(key.namespace, slab, database, databaseLength);
  writeServer(slab, at + NodeSqlEvent.peer, out);
  const state = sqlState(slab, at + NodeSqlEvent.sqlstate);
  if (state !== '' || flags & SpanFlag.ABORTED) {
    writeSqlError(state, nodeErrorType(words[(at + NodeSqlEvent.error) >> 2]!), out);
  }
  out.end();
  return 'client';
}

/** The protocol names no host: the server is where the connection was made to. */
function writeServer(slab: Slab, peer: number, out: SpanWriter): void {
  const address = peerAddress(slab, peer);
  if (address === undefined) return;
  const port = peerPort(slab, peer);
  out.text(key.serverAddress, address);
  out.int(key.serverPort, port);
  out.text(key.peerAddress, address);
  out.int(key.peerPort, port);
}

/** Empty when there was no error. */
function sqlState({ bytes }: Slab, at: number): string {
  return bytes[at] === 0 ? '' : String.fromCharCode(...bytes.subarray(at, at + 5));
}
