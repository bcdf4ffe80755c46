import type { Written } from '../../contract/decision.ts';
import type { Resource, Slab, SpanWriter } from '../../contract/span.ts';
import { EventHead, EventKind } from '../layout.gen.ts';
import { writeHttpServerSpan } from './http-server-span.ts';
import { writeNodeClientSpan } from './node-client-span.ts';
import { writeNodeSqlSpan } from './node-sql-span.ts';

/** Writes what Node's sockets gave: the record at byte offset `at` is of one of three kinds. */
export function writeNodeSpan(slab: Slab, at: number, resource: Resource, out: SpanWriter): Written {
  const kind = slab.words[(at + EventHead.kind) >> 2]! & 0xffff;
  if (kind === EventKind.NODE_HTTP_SERVER) return writeHttpServerSpan(slab, at, resource, out, 0);
  if (kind === EventKind.NODE_HTTP_CLIENT) return writeNodeClientSpan(slab, at, resource, out);
  if (kind === EventKind.NODE_SQL) return writeNodeSqlSpan(slab, at, resource, out);
  return 'malformed';
}
