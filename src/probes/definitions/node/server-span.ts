/**
 * A `struct uspan_http_server_event` as a span, by the stable HTTP semantic conventions .
 * Hot path: works on bytes; strings are made only for what is rare.
 */
import { attributeKey } from '../../../contract/attribute-key.ts';
import type { Written } from '../../../contract/decision.ts';
import { type Resource, type Slab, SpanKind, type SpanWriter } from '../../../contract/span.ts';
import { lastComma, protocolVersion, writeHost, writeOutcome, writeTarget } from '../../../semconv/http-server.ts';
import { indexOf, knownMethod } from '../../../semconv/http-text.ts';
import { isOwnExport } from '../../../semconv/own-export.ts';
import { HttpServerEvent, HttpText, SpanFlag, SpanHead } from '../../layout.gen.ts';

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

/**
 * Writes the record at byte offset `at`, unless its texts do not fit the length it tells, or it is of our own export.
 */
export function writeHttpServerSpan(
  slab: Slab,
  at: number,
  resource: Resource,
  out: SpanWriter,
  server: HttpServer,
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
  if (isOwnExport(bytes, target, targetLength, userAgent, userAgentLength)) return 'own_export';

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

function names(mask: number): string {
  return textNames.filter((_, text) => mask & (1 << text)).join(',');
}
