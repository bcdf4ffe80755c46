/** HTTP server spans by the stable HTTP semantic conventions. Hot path: it works on bytes, and makes strings only for what is rare. */
import { attributeKey } from '../contract/attribute-key.ts';
import type { Written } from '../contract/decision.ts';
import { type Slab, SpanKind, type SpanWriter, StatusCode } from '../contract/span.ts';
import { HttpServerField as Field, SpanFlag } from '../probes/layout.gen.ts';
import { newSlab } from '../probes/slab.ts';
import type { SpanRecord } from '../probes/span-record.ts';
import { bracketBytes, writeAuthority } from './authority.ts';
import { absoluteHost, hostEnd, indexOf, knownMethod, pathStart, port, queryMark } from './http-text.ts';
import { isOwnExport } from './own-export.ts';
import { hasSecret, redactedQuery } from './query-secrets.ts';
import { socketClient } from './socket-peer.ts';
import type { FieldCodec, SpanTable } from './span-table.ts';
import { text } from './span-table.ts';

const key = {
  method: attributeKey('http.request.method'),
  methodOriginal: attributeKey('http.request.method_original'),
  path: attributeKey('url.path'),
  query: attributeKey('url.query'),
  scheme: attributeKey('url.scheme'),
  route: attributeKey('http.route'),
  status: attributeKey('http.response.status_code'),
  clientAddress: attributeKey('client.address'),
  peerAddress: attributeKey('network.peer.address'),
  peerPort: attributeKey('network.peer.port'),
  protocolVersion: attributeKey('network.protocol.version'),
  errorType: attributeKey('error.type'),
  hijacked: attributeKey('uspan.connection.hijacked'),
} as const;

const space = 0x20;
const slash = 0x2f;
const comma = 0x2c;
/** Where the values of two headers are joined. One is enough, because one record is written at a time. No field is longer than a u16. */
const joined = newSlab(2 * 0x10000);
/** Bit of the request line in the marks. */
const line = 1 << Field.REQUEST_LINE;

/** How servers differ. */
export interface HttpServer {
  /** The status that was sent if the record has none. 0: nothing was sent. */
  readonly implicitStatus: number;
}

/** A record of `enum uspan_http_server_field` as a span. */
export function httpServerSpan({ implicitStatus }: HttpServer): SpanTable {
  return {
    kind: SpanKind.server,
    written: 'server',
    prepare: takeApart,
    name: writeName,
    fields: {
      [Field.METHOD]: ['http.request.method'],
      [Field.TARGET]: ['url', target],
      [Field.PATTERN]: ['http.route', route],
      [Field.HOST]: ['server.address', host],
      [Field.PEER]: ['network.peer.address', peer],
      [Field.USER_AGENT]: text('user_agent.original'),
      [Field.TRACESTATE]: ['tracestate', traceState],
      [Field.TRACESTATE_MORE]: ['tracestate'],
      [Field.TRACESTATE_REST]: ['tracestate'],
      [Field.SOCKET]: ['network.peer.address', socketClient],
    },
    end(record, out) {
      writeMethod(record, out);
      out.text(key.scheme, record.flags & SpanFlag.TLS ? 'https' : 'http');
      out.text(key.protocolVersion, protocolVersion(record.number(Field.PROTOCOL) & 0xff));
      writeOutcome(record.number(Field.STATUS), implicitStatus, record.flags, out);
    },
  };
}

/** Finds method and target in a request line. Leaves out this agent's own export requests. */
function takeApart(record: SpanRecord): Written | undefined {
  const { bytes } = record.slab;
  if (record.has(Field.REQUEST_LINE)) {
    const at = record.at(Field.REQUEST_LINE);
    const end = at + record.length(Field.REQUEST_LINE);
    const blank = indexOf(bytes, space, at, end);
    record.set(Field.METHOD, at, blank - at);
    record.set(Field.TARGET, Math.min(blank + 1, end), Math.max(end - blank - 1, 0));
    if (record.cut & line) record.cut ^= line | (1 << Field.TARGET);
    if (record.unreadable & line) record.unreadable ^= line | (1 << Field.METHOD) | (1 << Field.TARGET);
  }
  const own = isOwnExport(
    bytes,
    record.at(Field.TARGET),
    record.length(Field.TARGET),
    record.at(Field.USER_AGENT),
    record.length(Field.USER_AGENT),
  );
  return own ? 'own_export' : undefined;
}

function methodOf(record: SpanRecord) {
  return knownMethod(record.slab.bytes, record.at(Field.METHOD), record.length(Field.METHOD));
}

function writeName(record: SpanRecord, out: SpanWriter): void {
  out.nameText(methodOf(record) ?? 'HTTP');
  const at = routeStart(record);
  const end = record.at(Field.PATTERN) + record.length(Field.PATTERN);
  if (at === end) return;
  out.nameText(' ');
  out.nameBytes(record.slab, at, end - at);
}

function writeMethod(record: SpanRecord, out: SpanWriter): void {
  const known = methodOf(record);
  const length = record.length(Field.METHOD);
  out.text(key.method, known ?? '_OTHER');
  if (known === undefined && length > 0) out.bytes(key.methodOriginal, record.slab, record.at(Field.METHOD), length);
}

/** A ServeMux pattern is "[METHOD ][HOST]/[PATH]", and its path is the route. Without a path, this is the pattern's end. */
function routeStart(record: SpanRecord): number {
  const at = record.at(Field.PATTERN);
  return indexOf(record.slab.bytes, slash, at, at + record.length(Field.PATTERN));
}

const route: FieldCodec = (record, field, out) => {
  const at = routeStart(record);
  const end = record.at(field) + record.length(field);
  if (at < end) out.bytes(key.route, record.slab, at, end - at);
};

const target: FieldCodec = (record, field, out) => {
  const at = record.at(field);
  writeTarget(record.slab, at, at + record.length(field), out);
};

const host: FieldCodec = (record, field, out) => {
  const at = record.at(field);
  writeAuthority(record.slab, at, at + record.length(field), 0, out);
};

const peer: FieldCodec = (record, field, out) =>
  writePeerText(record.slab, record.at(field), record.length(field), out);

/** Headers of that name are one list (W3C Trace Context §3.3.1). */
const traceState: FieldCodec = (record, field, out) => {
  const at = record.at(field);
  const length = wholeMembers(record, field);
  const more = record.cut & (1 << field) ? 0 : wholeMembers(record, Field.TRACESTATE_MORE);
  if (more === 0) {
    if (length > 0) out.traceState(record.slab, at, length);
    return;
  }
  const { bytes } = record.slab;
  joined.bytes.set(bytes.subarray(at, at + length));
  joined.bytes[length] = comma;
  const second = record.at(Field.TRACESTATE_MORE);
  joined.bytes.set(bytes.subarray(second, second + more), length + 1);
  out.traceState(joined, 0, length + 1 + more);
};

/** Bytes of a tracestate. A cut one keeps only whole members (W3C Trace Context §3.3.1.5). */
function wholeMembers(record: SpanRecord, field: number): number {
  const length = record.length(field);
  if ((record.cut & (1 << field)) === 0) return length;
  const at = record.at(field);
  return lastComma(record.slab.bytes, at, at + length) - at;
}

/** Go's server takes every HTTP/1.x. Anything but 1.1 and 1.0 is rare. */
function protocolVersion(minor: number): string {
  return minor === 1 ? '1.1' : `1.${minor}`;
}

/** The position of the last comma, or `from`. */
function lastComma(bytes: Uint8Array, from: number, to: number): number {
  let i = to - 1;
  while (i > from && bytes[i] !== comma) i--;
  return Math.max(i, from);
}

function writeTarget(slab: Slab, from: number, to: number, out: SpanWriter): void {
  const { bytes } = slab;
  if (from === to) return;
  const path = pathStart(bytes, from, to);
  const mark = queryMark(bytes, path, to);
  if (mark > path) out.bytes(key.path, slab, path, mark - path);
  // An empty path of an http URL is the same as `/` (RFC 9110 §4.2.3).
  else if (absoluteHost(bytes, from, to) >= 0) out.text(key.path, '/');
  if (mark + 1 >= to) return;
  if (hasSecret(bytes, mark + 1, to)) out.text(key.query, redactedQuery(bytes, mark + 1, to));
  else out.bytes(key.query, slab, mark + 1, to - mark - 1);
}

/** `ip:port` of a TCP peer; a Unix socket has none. */
function writePeerText(slab: Slab, from: number, length: number, out: SpanWriter): void {
  const { bytes } = slab;
  const to = from + length;
  const end = hostEnd(bytes, from, to);
  const number = port(bytes, end + 1, to);
  if (number < 0) return;
  const bracketed = bracketBytes(bytes, from, end);
  out.bytes(key.clientAddress, slab, from + bracketed, end - from - 2 * bracketed);
  out.bytes(key.peerAddress, slab, from + bracketed, end - from - 2 * bracketed);
  out.int(key.peerPort, number);
}

/** Error on 5xx, if a panic or runtime.Goexit() left the handler, and if the connection ended before the response did. */
function writeOutcome(written: number, implicit: number, flags: number, out: SpanWriter): void {
  const panicked = (flags & SpanFlag.PANIC) !== 0;
  const hijacked = (flags & SpanFlag.HIJACKED) !== 0;
  const exited = (flags & SpanFlag.GOEXIT) !== 0;
  // A handler that did not return, or took the connection over, sends no answer that uspan can see.
  const status = written !== 0 ? written : panicked || exited || hijacked ? 0 : implicit;
  if (status !== 0) out.int(key.status, status);
  if (hijacked) out.bool(key.hijacked, true);
  if (panicked) {
    out.text(key.errorType, 'panic');
    out.status(StatusCode.error, 'the handler panicked');
  } else if (exited && !hijacked) {
    // Go's server closes the connection, and the client has no whole response.
    out.text(key.errorType, 'goexit');
    out.status(StatusCode.error, 'the handler ended its goroutine');
  } else if (status >= 500) {
    out.text(key.errorType, String(status));
    out.status(StatusCode.error);
  } else if (flags & SpanFlag.ABORTED && !hijacked) {
    // Reading the end of a connection that was taken over through net/http's own buffer also sets the mark. That is intended.
    out.text(key.errorType, 'aborted');
    out.status(StatusCode.error, 'the connection ended before the response was complete');
  }
}
