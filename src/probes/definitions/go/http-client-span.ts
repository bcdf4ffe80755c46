/**
 * A `struct uspan_http_client_event` as a span, by the stable HTTP semantic conventions (design §6).
 * Hot path: works on bytes; strings are made only for what is rare.
 */
import { attributeKey } from '../../../contract/attribute-key.ts';
import type { Written } from '../../../contract/decision.ts';
import { type Resource, type Slab, SpanKind, type SpanWriter, StatusCode } from '../../../contract/span.ts';
import { hostEnd, indexOf, knownMethod, port } from '../../../semconv/http-text.ts';
import { hostStart, isPlainUrl, urlText } from '../../../semconv/url-text.ts';
import { HttpClientEvent, HttpClientText, SpanHead } from '../../layout.gen.ts';
import { goErrorType } from './errors.ts';

const key = {
  method: attributeKey('http.request.method'),
  methodOriginal: attributeKey('http.request.method_original'),
  url: attributeKey('url.full'),
  status: attributeKey('http.response.status_code'),
  resends: attributeKey('http.request.resend_count'),
  serverAddress: attributeKey('server.address'),
  serverPort: attributeKey('server.port'),
  protocolVersion: attributeKey('network.protocol.version'),
  errorType: attributeKey('error.type'),
  truncated: attributeKey('uspan.truncated'),
  unreadable: attributeKey('uspan.unreadable'),
} as const;

/** Attribute names by `enum uspan_http_client_text`, for marks. */
const textNames: readonly string[] = [
  'http.request.method',
  ...['url.full', 'url.full', 'url.full', 'url.full', 'url.full', 'url.full'],
  'error.type',
];

/** Where each text of a record is; one object for all, as one is written at a time. */
const starts = new Int32Array(HttpClientText.COUNT + 1);

/** Writes the record at byte offset `at`, unless its texts do not fit the length it tells. */
export function writeHttpClientSpan(slab: Slab, at: number, resource: Resource, out: SpanWriter): Written {
  const { bytes, words } = slab;
  let end = at + HttpClientEvent.size;
  for (let text = 0; text < HttpClientText.COUNT; text++) {
    starts[text] = end;
    const length = at + HttpClientEvent.textLen + 2 * text;
    end += bytes[length]! | (bytes[length + 1]! << 8);
  }
  starts[HttpClientText.COUNT] = end;
  const recordBytes = words[(at + SpanHead.headLen) >> 2]!;
  if (recordBytes < HttpClientEvent.size || end > at + recordBytes) return 'malformed';

  out.begin(slab, at, resource, SpanKind.client);
  const method = starts[HttpClientText.METHOD]!;
  const methodLength = starts[HttpClientText.METHOD + 1]! - method;
  // No method means GET (net/http.Request.Method).
  const known = methodLength === 0 ? 'GET' : knownMethod(bytes, method, methodLength);
  out.nameText(known ?? 'HTTP');
  out.text(key.method, known ?? '_OTHER');
  if (known === undefined) out.bytes(key.methodOriginal, slab, method, methodLength);
  writeUrl(slab, out);
  const resends = bytes[at + HttpClientEvent.resends]!;
  if (resends > 0) out.int(key.resends, resends);
  writeOutcome(slab, at, out);
  const cut = bytes[at + HttpClientEvent.cutMask]!;
  const unreadable = bytes[at + HttpClientEvent.unreadableMask]!;
  if (cut !== 0) out.text(key.truncated, names(cut));
  if (unreadable !== 0) out.text(key.unreadable, names(unreadable));
  out.end();
  return 'client';
}

/** `url.full`, `server.address` and `server.port`. */
function writeUrl(slab: Slab, out: SpanWriter): void {
  const { bytes } = slab;
  const whole = starts[HttpClientText.URL]!;
  const wholeEnd = starts[HttpClientText.URL + 1]!;
  if (wholeEnd > whole) {
    const scheme = indexOf(bytes, 0x3a, whole, wholeEnd);
    const host = Math.min(scheme + 3, wholeEnd);
    const end = authorityEnd(bytes, host, wholeEnd);
    if (isPlainUrl(bytes, end, wholeEnd)) out.bytes(key.url, slab, whole, wholeEnd - whole);
    else out.text(key.url, urlText(bytes, { scheme: [whole, scheme], host: [host, end], target: [end, wholeEnd] }));
    writeServer(slab, scheme - whole === 5, host, end, out);
    return;
  }
  const [scheme, host, path, rawPath, query] = partStarts();
  if (host === path) return;
  out.text(
    key.url,
    urlText(bytes, {
      scheme: [scheme, host],
      host: [host, path],
      path: [path, rawPath],
      rawPath: [rawPath, query],
      query: [query, starts[HttpClientText.QUERY + 1]!],
    }),
  );
  writeServer(slab, host - scheme === 5, host, path, out);
}

function partStarts(): [number, number, number, number, number] {
  return [
    starts[HttpClientText.SCHEME]!,
    starts[HttpClientText.HOST]!,
    starts[HttpClientText.PATH]!,
    starts[HttpClientText.RAW_PATH]!,
    starts[HttpClientText.QUERY]!,
  ];
}

/** End of `host[:port]` in [from, to): where path or query begin. */
function authorityEnd(bytes: Uint8Array, from: number, to: number): number {
  let i = from;
  while (i < to && bytes[i] !== 0x2f && bytes[i] !== 0x3f) i++;
  return i;
}

function writeServer(slab: Slab, secure: boolean, authority: number, to: number, out: SpanWriter): void {
  const { bytes } = slab;
  const from = hostStart(bytes, authority, to);
  const end = hostEnd(bytes, from, to);
  if (end === from) return;
  const bracketed = bytes[from] === 0x5b && bytes[end - 1] === 0x5d ? 1 : 0;
  out.bytes(key.serverAddress, slab, from + bracketed, end - from - 2 * bracketed);
  const number = port(bytes, end + 1, to);
  out.int(key.serverPort, number >= 0 ? number : secure ? 443 : 80);
}

/** Error on 4xx and 5xx, and when there is no response. */
function writeOutcome(slab: Slab, at: number, out: SpanWriter): void {
  const { bytes, words } = slab;
  const status = words[(at + HttpClientEvent.status) >> 2]!;
  const error = bytes[at + HttpClientEvent.error]! | (bytes[at + HttpClientEvent.error + 1]! << 8);
  if (error !== 0) {
    const from = starts[HttpClientText.ERROR]!;
    const text = Buffer.from(bytes.subarray(from, starts[HttpClientText.ERROR + 1]!)).toString('latin1');
    out.text(key.errorType, goErrorType(error, words[(at + HttpClientEvent.errnoNumber) >> 2]!, text));
    out.status(StatusCode.error);
    return;
  }
  if (status === 0) return;
  out.int(key.status, status);
  const major = bytes[at + HttpClientEvent.protoMajor]!;
  if (major === 1) out.text(key.protocolVersion, bytes[at + HttpClientEvent.protoMinor] === 1 ? '1.1' : '1.0');
  else if (major > 1) out.text(key.protocolVersion, String(major));
  if (status >= 400) {
    out.text(key.errorType, String(status));
    out.status(StatusCode.error);
  }
}

function names(mask: number): string {
  return [...new Set(textNames.filter((_, text) => mask & (1 << text)))].join(',');
}
