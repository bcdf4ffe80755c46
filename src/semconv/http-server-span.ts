/**
 * A `struct uspan_http_server_event` as a span, by the stable HTTP semantic conventions (design §6).
 * Hot path: works on bytes; strings are made only for what is rare.
 */
import { attributeKey } from '../contract/attribute-key.ts';
import type { Written } from '../contract/decision.ts';
import { type Resource, type Slab, SpanKind, type SpanWriter, StatusCode } from '../contract/span.ts';
import { HttpServerEvent, HttpText, SpanFlag, SpanHead } from '../probes/layout.gen.ts';
import { hasSecret, hostEnd, indexOf, knownMethod, pathStart, port, queryMark, redactedQuery } from './http-text.ts';

const key = {
  method: attributeKey('http.request.method'),
  methodOriginal: attributeKey('http.request.method_original'),
  path: attributeKey('url.path'),
  query: attributeKey('url.query'),
  scheme: attributeKey('url.scheme'),
  route: attributeKey('http.route'),
  status: attributeKey('http.response.status_code'),
  serverAddress: attributeKey('server.address'),
  serverPort: attributeKey('server.port'),
  clientAddress: attributeKey('client.address'),
  peerAddress: attributeKey('network.peer.address'),
  peerPort: attributeKey('network.peer.port'),
  protocolVersion: attributeKey('network.protocol.version'),
  userAgent: attributeKey('user_agent.original'),
  errorType: attributeKey('error.type'),
  hijacked: attributeKey('uspan.connection.hijacked'),
  truncated: attributeKey('uspan.truncated'),
  unreadable: attributeKey('uspan.unreadable'),
} as const;

/** Attribute names by `enum uspan_http_text`, for marks. */
const textNames: readonly string[] = [
  'http.request.method',
  'url',
  'server.address',
  'network.peer.address',
  'user_agent.original',
  'http.route',
  'tracestate',
];

/** In what servers differ. */
export interface HttpServer {
  /** What was sent when the record has no status; 0: nothing. */
  readonly implicitStatus: number;
  /** Writes the text that says who the peer is, of `length` bytes at `from`; 0: nobody knows. */
  writePeer(slab: Slab, from: number, length: number, out: SpanWriter): void;
}

/** Go's answers 200 when the handler sets no status, and keeps the peer as `ip:port`. */
const goServer: HttpServer = { implicitStatus: 200, writePeer: writePeerText };

/**
 * Writes the record at byte offset `at`, unless its texts do not fit the length it tells, or it is of our own export.
 */
export function writeHttpServerSpan(
  slab: Slab,
  at: number,
  resource: Resource,
  out: SpanWriter,
  server: HttpServer = goServer,
): Written {
  const { bytes } = slab;
  const lengths = at + HttpServerEvent.textLen;
  const length = (text: number) => bytes[lengths + 2 * text]! | (bytes[lengths + 2 * text + 1]! << 8);
  const methodLength = length(HttpText.METHOD);
  const targetLength = length(HttpText.TARGET);
  const hostLength = length(HttpText.HOST);
  const peerLength = length(HttpText.PEER);
  const userAgentLength = length(HttpText.USER_AGENT);
  const patternLength = length(HttpText.PATTERN);
  const method = at + HttpServerEvent.size;
  const flags = slab.words[(at + SpanHead.spanFlags) >> 2]!;
  const target = method + methodLength + (flags & SpanFlag.REQUEST_LINE ? 1 : 0);
  const host = target + targetLength;
  const peer = host + hostLength;
  const userAgent = peer + peerLength;
  const pattern = userAgent + userAgentLength;
  const traceState = pattern + patternLength;
  const traceStateLength = length(HttpText.TRACESTATE);
  const recordBytes = slab.words[(at + SpanHead.headLen) >> 2]!;
  if (recordBytes < HttpServerEvent.size || traceState + traceStateLength > at + recordBytes) return 'malformed';
  if (isOwnExport(bytes, userAgent, userAgentLength)) return 'own_export';

  out.begin(slab, at, resource, SpanKind.server);
  const known = knownMethod(bytes, method, methodLength);
  // A ServeMux pattern is "[METHOD ][HOST]/[PATH]"; the route is its path.
  const patternEnd = pattern + patternLength;
  const route = indexOf(bytes, 0x2f, pattern, patternEnd);
  out.nameText(known ?? 'HTTP');
  if (route < patternEnd) {
    out.nameText(' ');
    out.nameBytes(slab, route, patternEnd - route);
  }
  out.text(key.method, known ?? '_OTHER');
  if (known === undefined && methodLength > 0) out.bytes(key.methodOriginal, slab, method, methodLength);
  writeTarget(slab, target, target + targetLength, out);
  out.text(key.scheme, flags & SpanFlag.TLS ? 'https' : 'http');
  if (route < patternEnd) out.bytes(key.route, slab, route, patternEnd - route);
  writeHost(slab, host, host + hostLength, out);
  server.writePeer(slab, peer, peerLength, out);
  out.text(key.protocolVersion, protocolVersion(bytes[at + HttpServerEvent.protoMinor]!));
  if (userAgentLength > 0) out.bytes(key.userAgent, slab, userAgent, userAgentLength);
  const cutMask = flags & SpanFlag.CUT ? bytes[at + HttpServerEvent.cutMask]! : 0;
  const stateEnd = traceState + traceStateLength;
  const wholeState = cutMask & (1 << HttpText.TRACESTATE) ? lastComma(bytes, traceState, stateEnd) : stateEnd;
  if (wholeState > traceState) out.traceState(slab, traceState, wholeState - traceState);
  writeOutcome(slab.words[(at + HttpServerEvent.status) >> 2]!, server.implicitStatus, flags, out);
  if (cutMask !== 0) out.text(key.truncated, names(cutMask));
  if (flags & SpanFlag.UNREADABLE) out.text(key.unreadable, names(bytes[at + HttpServerEvent.unreadableMask]!));
  out.end();
  return 'server';
}

/** `uspan/…`, as the exporter calls itself: a collector on this host that is traced too would otherwise make spans of our spans. */
function isOwnExport(bytes: Uint8Array, from: number, length: number): boolean {
  return (
    length > 6 &&
    bytes[from] === 0x75 &&
    bytes[from + 1] === 0x73 &&
    bytes[from + 2] === 0x70 &&
    bytes[from + 3] === 0x61 &&
    bytes[from + 4] === 0x6e &&
    bytes[from + 5] === 0x2f
  );
}

/** Go's server takes every HTTP/1.x; anything but 1.1 and 1.0 is rare. */
function protocolVersion(minor: number): string {
  return minor === 1 ? '1.1' : `1.${minor}`;
}

/** A cut tracestate keeps whole members only (W3C Trace Context §3.3.1.5); the position of the last comma, or `from`. */
function lastComma(bytes: Uint8Array, from: number, to: number): number {
  let i = to - 1;
  while (i > from && bytes[i] !== 0x2c) i--;
  return Math.max(i, from);
}

function writeTarget(slab: Slab, from: number, to: number, out: SpanWriter): void {
  const { bytes } = slab;
  if (from === to) return;
  const path = pathStart(bytes, from, to);
  const mark = queryMark(bytes, path, to);
  if (mark > path) out.bytes(key.path, slab, path, mark - path);
  if (mark + 1 >= to) return;
  if (hasSecret(bytes, mark + 1, to)) out.text(key.query, redactedQuery(bytes, mark + 1, to));
  else out.bytes(key.query, slab, mark + 1, to - mark - 1);
}

function writeHost(slab: Slab, from: number, to: number, out: SpanWriter): void {
  const { bytes } = slab;
  const end = hostEnd(bytes, from, to);
  if (end === from) return;
  const bracketed = bytes[from] === 0x5b && bytes[end - 1] === 0x5d ? 1 : 0;
  out.bytes(key.serverAddress, slab, from + bracketed, end - from - 2 * bracketed);
  const number = port(bytes, end + 1, to);
  if (number >= 0) out.int(key.serverPort, number);
}

/** `ip:port` of a TCP peer; a Unix socket has none. */
function writePeerText(slab: Slab, from: number, length: number, out: SpanWriter): void {
  const { bytes } = slab;
  const to = from + length;
  const end = hostEnd(bytes, from, to);
  const number = port(bytes, end + 1, to);
  if (number < 0) return;
  const bracketed = bytes[from] === 0x5b && bytes[end - 1] === 0x5d ? 1 : 0;
  out.bytes(key.clientAddress, slab, from + bracketed, end - from - 2 * bracketed);
  out.bytes(key.peerAddress, slab, from + bracketed, end - from - 2 * bracketed);
  out.int(key.peerPort, number);
}

/** Error on 5xx, on a panic that left the handler, and when the client went away before the end. */
function writeOutcome(written: number, implicit: number, flags: number, out: SpanWriter): void {
  const panicked = (flags & SpanFlag.PANIC) !== 0;
  const hijacked = (flags & SpanFlag.HIJACKED) !== 0;
  // One that panicked or took the connection over answers nothing we can see.
  const status = written !== 0 ? written : panicked || hijacked ? 0 : implicit;
  if (status !== 0) out.int(key.status, status);
  if (hijacked) out.bool(key.hijacked, true);
  if (panicked) {
    out.text(key.errorType, 'panic');
    out.status(StatusCode.error, 'the handler panicked');
  } else if (status >= 500) {
    out.text(key.errorType, String(status));
    out.status(StatusCode.error);
  } else if (flags & SpanFlag.ABORTED && !hijacked) {
    // (Reading the end of a connection taken over through net/http's own buffer sets the mark too; that is how it should end.)
    out.text(key.errorType, 'aborted');
    out.status(StatusCode.error, 'the client went away before the response was complete');
  }
}

function names(mask: number): string {
  return textNames.filter((_, text) => mask & (1 << text)).join(',');
}
