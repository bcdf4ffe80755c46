/** HTTP client spans by the stable HTTP semantic conventions. Hot path: it works on bytes, and makes strings only for what is rare. */
import { attributeKey } from '../contract/attribute-key.ts';
import { type Slab, SpanKind, type SpanWriter, StatusCode } from '../contract/span.ts';
import { HttpClientField as Field } from '../probes/layout.gen.ts';
import type { SpanRecord } from '../probes/span-record.ts';
import { writeAuthority } from './authority.ts';
import { indexOf, knownMethod } from './http-text.ts';
import { type FieldCodec, number, type SpanTable } from './span-table.ts';
import { hostStart, isPlainUrl, urlText } from './url-text.ts';

const key = {
  method: attributeKey('http.request.method'),
  methodOriginal: attributeKey('http.request.method_original'),
  url: attributeKey('url.full'),
  status: attributeKey('http.response.status_code'),
  protocolVersion: attributeKey('network.protocol.version'),
  errorType: attributeKey('error.type'),
} as const;

const colon = 0x3a;
const slash = 0x2f;
const question = 0x3f;

/** How clients differ. */
export interface HttpClient {
  /** `error.type` of a call without a response. Undefined: the record has no error. */
  readonly errorType: (record: SpanRecord) => string | undefined;
}

/** A record of `enum uspan_http_client_field` as a span. */
export function httpClientSpan({ errorType }: HttpClient): SpanTable {
  return {
    kind: SpanKind.client,
    written: 'client',
    name: (record, out) => out.nameText(methodOf(record) ?? 'HTTP'),
    fields: {
      [Field.METHOD]: ['http.request.method'],
      [Field.URL]: ['url.full', wholeUrl],
      [Field.SCHEME]: ['url.full'],
      [Field.HOST]: ['url.full', urlOfParts],
      [Field.PATH]: ['url.full'],
      [Field.RAW_PATH]: ['url.full'],
      [Field.QUERY]: ['url.full'],
      [Field.OPAQUE]: ['url.full'],
      [Field.RESENDS]: number('http.request.resend_count'),
    },
    end(record, out) {
      writeMethod(record, out);
      const error = errorType(record);
      if (error === undefined) return writeResponse(record, out);
      out.text(key.errorType, error);
      out.status(StatusCode.error);
    },
  };
}

/** No method means GET (net/http.Request.Method). */
function methodOf(record: SpanRecord) {
  const length = record.length(Field.METHOD);
  return length === 0 ? 'GET' : knownMethod(record.slab.bytes, record.at(Field.METHOD), length);
}

function writeMethod(record: SpanRecord, out: SpanWriter): void {
  const known = methodOf(record);
  out.text(key.method, known ?? '_OTHER');
  if (known !== undefined) return;
  out.bytes(key.methodOriginal, record.slab, record.at(Field.METHOD), record.length(Field.METHOD));
}

/** `url.full`, `server.address` and `server.port`. */
const wholeUrl: FieldCodec = (record, field, out) => {
  const { slab } = record;
  const { bytes } = slab;
  const from = record.at(field);
  const to = from + record.length(field);
  const scheme = indexOf(bytes, colon, from, to);
  const host = Math.min(scheme + 3, to);
  const end = authorityEnd(bytes, host, to);
  if (isPlainUrl(bytes, end, to)) out.bytes(key.url, slab, from, to - from);
  else out.text(key.url, urlText(bytes, { scheme: [from, scheme], host: [host, end], target: [end, to] }));
  writeServer(slab, scheme - from === 5, host, end, out);
};

/** The same for a URL in parts, which has a host. */
const urlOfParts: FieldCodec = (record, field, out) => {
  const range = (part: number): [number, number] => [record.at(part), record.at(part) + record.length(part)];
  const part = (of: number): [number, number] => (record.has(of) ? range(of) : [0, 0]);
  const [host, end] = range(field);
  out.text(
    key.url,
    urlText(record.slab.bytes, {
      scheme: part(Field.SCHEME),
      host: [host, end],
      path: part(Field.PATH),
      rawPath: part(Field.RAW_PATH),
      query: part(Field.QUERY),
      opaque: part(Field.OPAQUE),
      forceQuery: record.number(Field.FORCE_QUERY) !== 0,
      cut: (record.cut & ((1 << Field.PATH) | (1 << Field.RAW_PATH))) !== 0,
    }),
  );
  writeServer(record.slab, record.length(Field.SCHEME) === 5, host, end, out);
};

/** End of `host[:port]` in [from, to): the start of path or query. */
function authorityEnd(bytes: Uint8Array, from: number, to: number): number {
  let i = from;
  while (i < to && bytes[i] !== slash && bytes[i] !== question) i++;
  return i;
}

function writeServer(slab: Slab, secure: boolean, authority: number, to: number, out: SpanWriter): void {
  writeAuthority(slab, hostStart(slab.bytes, authority, to), to, secure ? 443 : 80, out);
}

/** Error on 4xx and 5xx. */
function writeResponse(record: SpanRecord, out: SpanWriter): void {
  const status = record.number(Field.STATUS);
  if (status === 0) return;
  out.int(key.status, status);
  const protocol = record.number(Field.PROTOCOL);
  const major = protocol >>> 8;
  if (major === 1) out.text(key.protocolVersion, (protocol & 0xff) === 1 ? '1.1' : '1.0');
  else if (major > 1) out.text(key.protocolVersion, String(major));
  if (status >= 400) {
    out.text(key.errorType, String(status));
    out.status(StatusCode.error);
  }
}
