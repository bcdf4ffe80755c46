import type { Written } from '../../../contract/decision.ts';
import type { Resource, Slab, SpanWriter } from '../../../contract/span.ts';
import { EventHead, EventKind } from '../../layout.gen.ts';
import { writeNodeClientSpan } from './client-span.ts';
import { writeClient } from './peer.ts';
import { type HttpServer, writeHttpServerSpan } from './server-span.ts';
import { writeNodeSqlSpan } from './sql-span.ts';

/** Without a status nothing was sent; the peer is a `struct uspan_node_peer`. */
const nodeServer: HttpServer = { implicitStatus: 0, writePeer: writeClient };

/** Writes what Node's sockets gave: the record at byte offset `at` is of one of three kinds. */
export function writeNodeSpan(slab: Slab, at: number, resource: Resource, out: SpanWriter): Written {
  const kind = slab.words[(at + EventHead.kind) >> 2]! & 0xffff;
  if (kind === EventKind.NODE_HTTP_SERVER) return writeHttpServerSpan(slab, at, resource, out, nodeServer);
  if (kind === EventKind.NODE_HTTP_CLIENT) return writeNodeClientSpan(slab, at, resource, out);
  if (kind === EventKind.NODE_SQL) return writeNodeSqlSpan(slab, at, resource, out);
  return 'malformed';
}
