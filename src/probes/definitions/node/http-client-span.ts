/**
 * A record of `enum uspan_node_client_field` as a span, by the stable HTTP semantic conventions. It has the request's head as Node wrote
 * it.
 */
import { attributeKey } from '../../../contract/attribute-key.ts';
import type { Written } from '../../../contract/decision.ts';
import { type Slab, SpanKind, type SpanWriter, StatusCode } from '../../../contract/span.ts';
import { writeAuthority } from '../../../semconv/authority.ts';
import { findHeaders, type HeaderRanges } from '../../../semconv/http-head.ts';
import { indexOf, knownMethod, queryMark } from '../../../semconv/http-text.ts';
import { isOwnExport } from '../../../semconv/own-export.ts';
import { hasSecret, redactedQuery } from '../../../semconv/query-secrets.ts';
import { socketPeer } from '../../../semconv/socket-peer.ts';
import type { FieldCodec, SpanTable } from '../../../semconv/span-table.ts';
import { Constant, NodeClientField as Field, SpanFlag, SpanHead } from '../../layout.gen.ts';
import type { SpanRecord } from '../../span-record.ts';
import { nodeErrorType } from './errors.ts';

const key = {
  method: attributeKey('http.request.method'),
  url: attributeKey('url.full'),
  status: attributeKey('http.response.status_code'),
  protocolVersion: attributeKey('network.protocol.version'),
  errorType: attributeKey('error.type'),
} as const;

const space = 0x20;
const slash = 0x2f;
const carriageReturn = 0x0d;
const decoder = new TextDecoder();
const http = new TextEncoder().encode('http://');
const https = new TextEncoder().encode('https://');
/** Where URLs are built, with room for the longest head. One buffer is enough, because one record is written at a time. */
const composed = slabOf(new Uint8Array(https.length + Constant.NODE_HEAD_BYTES));
const headers: HeaderRanges = { host: [0, 0], userAgent: [0, 0], traceState: [0, 0] };

/** Attributes are written in the order of the fields. */
const url: FieldCodec = (record, _field, out) => writeUrl(record, isSecure(record), out);
const server: FieldCodec = (record, field, out) => writeServer(record, field, isSecure(record), out);

export const nodeHttpClientSpan: SpanTable = {
  kind: SpanKind.client,
  written: 'client',
  prepare: takeApart,
  name: (record, out) => out.nameText(methodOf(record) ?? 'HTTP'),
  fields: {
    [Field.HEAD]: ['url.full'],
    [Field.SOCKET]: ['network.peer.address', socketPeer],
    [Field.TARGET]: ['url.full', url],
    [Field.HOST]: ['server.address', server],
    [Field.TRACESTATE]: ['tracestate', writeTraceState],
  },
  end(record, out) {
    out.text(key.method, methodOf(record) ?? '_OTHER');
    writeOutcome(record, out);
  },
};

/** Finds in the head what the span needs. Leaves out an agent's export requests. */
function takeApart(record: SpanRecord): Written | undefined {
  const { bytes } = record.slab;
  const head = record.at(Field.HEAD);
  const end = head + record.length(Field.HEAD);
  if (head === end) return undefined;
  const lineEnd = indexOf(bytes, carriageReturn, head, end);
  const methodEnd = indexOf(bytes, space, head, lineEnd);
  const target = Math.min(methodEnd + 1, lineEnd);
  const targetLength = indexOf(bytes, space, target, lineEnd) - target;
  findHeaders(bytes, lineEnd, end, headers);
  const { host, userAgent, traceState } = headers;
  if (record.length(Field.HOST) > 0) {
    const line = record.at(Field.HOST);
    const hostEnd = indexOf(bytes, carriageReturn, line, line + record.length(Field.HOST));
    host[0] = line + 'host:'.length;
    while (host[0] < hostEnd && bytes[host[0]] === space) host[0]++;
    host[1] = hostEnd;
  }
  record.set(Field.METHOD, head, methodEnd - head);
  record.set(Field.TARGET, target, targetLength);
  record.set(Field.HOST, host[0], host[1] - host[0]);
  record.set(Field.USER_AGENT, userAgent[0], userAgent[1] - userAgent[0]);
  record.set(Field.TRACESTATE, traceState[0], traceState[1] - traceState[0]);
  const agent = record.at(Field.USER_AGENT);
  return isOwnExport(bytes, target, targetLength, agent, record.length(Field.USER_AGENT)) ? 'own_export' : undefined;
}

function methodOf(record: SpanRecord) {
  return knownMethod(record.slab.bytes, record.at(Field.METHOD), record.length(Field.METHOD));
}

function isSecure(record: SpanRecord): boolean {
  return (record.flags & SpanFlag.TLS) !== 0;
}

/** A target that is a path goes behind its host unchanged, without a string, unless it has a secret. */
function writeUrl(record: SpanRecord, secure: boolean, out: SpanWriter): void {
  const { bytes } = record.slab;
  const from = record.at(Field.TARGET);
  const to = from + record.length(Field.TARGET);
  const mark = queryMark(bytes, from, to);
  if (bytes[from] !== slash || (mark < to && hasSecret(bytes, mark + 1, to))) {
    out.text(key.url, rareUrl(record, secure, from, to));
    return;
  }
  const scheme = secure ? https : http;
  composed.bytes.set(scheme);
  const host = append(scheme.length, bytes, record.at(Field.HOST), record.length(Field.HOST));
  out.bytes(key.url, composed, 0, append(host, bytes, from, to - from));
}

/** The position behind the copy. */
function append(at: number, bytes: Uint8Array, from: number, length: number): number {
  for (let i = 0; i < length; i++) composed.bytes[at + i] = bytes[from + i]!;
  return at + length;
}

/** Through a proxy, the target is the whole URL. CONNECT has only host and port. A request's target has no credentials. */
function rareUrl(record: SpanRecord, secure: boolean, from: number, to: number): string {
  const { bytes } = record.slab;
  const mark = queryMark(bytes, from, to);
  const path = decoder.decode(bytes.subarray(from, mark));
  const query =
    mark === to
      ? ''
      : hasSecret(bytes, mark + 1, to)
        ? `?${redactedQuery(bytes, mark + 1, to)}`
        : decoder.decode(bytes.subarray(mark, to));
  if (bytes[from] !== slash && path !== '*') return `${path.replace(/^(\w+:\/\/)[^/@]*@/, '$1')}${query}`;
  const host = record.at(Field.HOST);
  const authority = decoder.decode(bytes.subarray(host, host + record.length(Field.HOST)));
  return `${secure ? 'https' : 'http'}://${authority}${path === '*' ? '' : path}${query}`;
}

function writeServer(record: SpanRecord, field: number, secure: boolean, out: SpanWriter): void {
  const from = record.at(field);
  writeAuthority(record.slab, from, from + record.length(field), secure ? 443 : 80, out);
}

/** A tracestate without a parent says nothing. */
function writeTraceState(record: SpanRecord, field: number, out: SpanWriter): void {
  const parent = (record.start + SpanHead.parentSpanId) >> 2;
  const { words } = record.slab;
  if ((words[parent]! | words[parent + 1]!) !== 0) out.traceState(record.slab, record.at(field), record.length(field));
}

/** Error on 4xx and 5xx, and if the connection ended before the response did. */
function writeOutcome(record: SpanRecord, out: SpanWriter): void {
  const status = record.number(Field.STATUS);
  if (status !== 0) {
    out.int(key.status, status);
    out.text(key.protocolVersion, record.number(Field.PROTOCOL, 1) === 0 ? '1.0' : '1.1');
  }
  if (record.flags & SpanFlag.ABORTED) {
    out.text(key.errorType, nodeErrorType(record.number(Field.ERROR)));
    out.status(StatusCode.error);
  } else if (status >= 400) {
    out.text(key.errorType, String(status));
    out.status(StatusCode.error);
  }
}

function slabOf(bytes: Uint8Array<ArrayBuffer>): Slab {
  return { bytes, words: new Uint32Array(bytes.buffer, 0, bytes.length >> 2) };
}
