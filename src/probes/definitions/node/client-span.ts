/**
 * A `struct uspan_node_client_event` as a span, by the stable HTTP semantic conventions. What follows the event is the
 * request's head as Node wrote it.
 */
import { attributeKey } from '../../../contract/attribute-key.ts';
import type { Written } from '../../../contract/decision.ts';
import { type Resource, type Slab, SpanKind, type SpanWriter, StatusCode } from '../../../contract/span.ts';
import { findHeaders, type HeaderRanges } from '../../../semconv/http-head.ts';
import {
  hasSecret,
  hostEnd,
  indexOf,
  knownMethod,
  port,
  queryMark,
  redactedQuery,
} from '../../../semconv/http-text.ts';
import { isOwnExport } from '../../../semconv/own-export.ts';
import { NodeClientEvent, SpanFlag, SpanHead } from '../../layout.gen.ts';
import { nodeErrorType } from './errors.ts';
import { writePeer } from './peer.ts';

const key = {
  method: attributeKey('http.request.method'),
  url: attributeKey('url.full'),
  status: attributeKey('http.response.status_code'),
  serverAddress: attributeKey('server.address'),
  serverPort: attributeKey('server.port'),
  protocolVersion: attributeKey('network.protocol.version'),
  errorType: attributeKey('error.type'),
  truncated: attributeKey('uspan.truncated'),
  unreadable: attributeKey('uspan.unreadable'),
} as const;

const space = 0x20;
const decoder = new TextDecoder();
/** One object for all, as one record is written at a time. */
const headers: HeaderRanges = { host: [0, 0], userAgent: [0, 0], traceState: [0, 0] };

/** Writes the record at byte offset `at`, unless its head does not fit the length it tells, or it is another agent's export. */
export function writeNodeClientSpan(slab: Slab, at: number, resource: Resource, out: SpanWriter): Written {
  const { bytes, words } = slab;
  const head = at + NodeClientEvent.size;
  const headLength = words[(at + NodeClientEvent.headLen) >> 2]! & 0xffff;
  const recordBytes = words[(at + SpanHead.headLen) >> 2]!;
  if (recordBytes < NodeClientEvent.size || head + headLength > at + recordBytes) return 'malformed';
  const end = head + headLength;
  const lineEnd = indexOf(bytes, 0x0d, head, end);
  const methodEnd = indexOf(bytes, space, head, lineEnd);
  const target = Math.min(methodEnd + 1, lineEnd);
  const targetEnd = indexOf(bytes, space, target, lineEnd);
  findHeaders(bytes, lineEnd, end, headers);
  const [agent, agentEnd] = headers.userAgent;
  if (isOwnExport(bytes, target, targetEnd - target, agent, agentEnd - agent)) return 'own_export';

  const flags = words[(at + SpanHead.spanFlags) >> 2]!;
  const secure = (flags & SpanFlag.TLS) !== 0;
  out.begin(slab, at, resource, SpanKind.client);
  const method = knownMethod(bytes, head, methodEnd - head);
  out.nameText(method ?? 'HTTP');
  out.text(key.method, method ?? '_OTHER');
  if (target < targetEnd) out.text(key.url, fullUrl(bytes, secure, target, targetEnd));
  writeServer(slab, secure, out);
  writePeer(slab, at + NodeClientEvent.peer, out);
  const [state, stateEnd] = headers.traceState;
  if (stateEnd > state && hasParent(words, at)) out.traceState(slab, state, stateEnd - state);
  writeOutcome(slab, at, flags, out);
  if (flags & SpanFlag.CUT) out.text(key.truncated, 'url.full');
  if (flags & SpanFlag.UNREADABLE) out.text(key.unreadable, 'url.full');
  out.end();
  return 'client';
}

function hasParent(words: Uint32Array, at: number): boolean {
  const parent = (at + SpanHead.parentSpanId) >> 2;
  return (words[parent]! | words[parent + 1]!) !== 0;
}

/** Through a proxy the target is the whole URL; CONNECT has host and port only. Credentials are not part of a request's target. */
function fullUrl(bytes: Uint8Array, secure: boolean, from: number, to: number): string {
  const mark = queryMark(bytes, from, to);
  const path = decoder.decode(bytes.subarray(from, mark));
  const query =
    mark === to
      ? ''
      : hasSecret(bytes, mark + 1, to)
        ? `?${redactedQuery(bytes, mark + 1, to)}`
        : decoder.decode(bytes.subarray(mark, to));
  const [host, hostEnd] = headers.host;
  if (bytes[from] !== 0x2f && path !== '*') return `${path.replace(/^(\w+:\/\/)[^/@]*@/, '$1')}${query}`;
  const authority = decoder.decode(bytes.subarray(host, hostEnd));
  return `${secure ? 'https' : 'http'}://${authority}${path === '*' ? '' : path}${query}`;
}

function writeServer(slab: Slab, secure: boolean, out: SpanWriter): void {
  const { bytes } = slab;
  const [from, to] = headers.host;
  const end = hostEnd(bytes, from, to);
  if (end === from) return;
  const bracketed = bytes[from] === 0x5b && bytes[end - 1] === 0x5d ? 1 : 0;
  out.bytes(key.serverAddress, slab, from + bracketed, end - from - 2 * bracketed);
  const number = port(bytes, end + 1, to);
  out.int(key.serverPort, number >= 0 ? number : secure ? 443 : 80);
}

/** Error on 4xx and 5xx, and when the connection ended before the response did. */
function writeOutcome({ bytes, words }: Slab, at: number, flags: number, out: SpanWriter): void {
  const status = words[(at + NodeClientEvent.status) >> 2]!;
  if (status !== 0) {
    out.int(key.status, status);
    out.text(key.protocolVersion, bytes[at + NodeClientEvent.protoMinor] === 0 ? '1.0' : '1.1');
  }
  if (flags & SpanFlag.ABORTED) {
    out.text(key.errorType, nodeErrorType(words[(at + NodeClientEvent.error) >> 2]!));
    out.status(StatusCode.error);
  } else if (status >= 400) {
    out.text(key.errorType, String(status));
    out.status(StatusCode.error);
  }
}
