/**
 * HTTP client spans against the stable semantic conventions, https://opentelemetry.io/docs/specs/semconv/http/http-spans/#http-client,
 * from records as bpf/go/go_http_client.bpf.c sends them, made by hand.
 */
import { describe, expect, test } from 'vitest';
import { StatusCode } from '../../src/contract/span.ts';
import { ObjectSpanWriter } from '../../src/otel/object-span-writer.ts';
import type { SpanObject } from '../../src/otel/span-object.ts';
import { goErrors } from '../../src/probes/definitions/go/errors.ts';
import { goHttpClient } from '../../src/probes/definitions/go/http-client.ts';
import {
  Constant,
  EventKind,
  HttpClientField as Field,
  GoError,
  GoErrorField,
  GoErrorReads,
  SpanHead,
} from '../../src/probes/layout.gen.ts';
import { slabOf } from '../support/otlp-slab.ts';
import { encodeSpanRecord, type RecordField } from '../support/span-record.ts';

const resource = { attributes: { 'service.name': 'shop' } };

interface ClientRecord {
  readonly texts?: Partial<
    Record<'METHOD' | 'URL' | 'SCHEME' | 'HOST' | 'PATH' | 'RAW_PATH' | 'QUERY' | 'OPAQUE', string>
  >;
  readonly forceQuery?: boolean;
  readonly status?: number;
  /** `GoErrorField.KNOWN` and the fields with it. */
  readonly error?: number;
  readonly errno?: number;
  readonly message?: string;
  readonly type?: string;
  readonly resends?: number;
  readonly protocol?: readonly [major: number, minor: number];
  /** Fields with marks. An unreadable one has no bytes. */
  readonly cut?: readonly number[];
  readonly unreadable?: readonly number[];
  readonly claimedBytes?: number;
}

/** A record as bpf/go/go_http_client.bpf.c sends it. */
function encode(record: ClientRecord): Uint8Array<ArrayBuffer> {
  const { texts = {}, protocol = [1, 1], cut = [], unreadable = [], claimedBytes } = record;
  const named: RecordField[] = Object.entries(texts).map(([name, value]) => {
    const field = Field[name as keyof typeof texts];
    return { field, value, cut: cut.includes(field), unreadable: unreadable.includes(field) };
  });
  const some = (field: number, value: string | number | undefined): RecordField[] => (value ? [{ field, value }] : []);
  return encodeSpanRecord({
    kind: EventKind.HTTP_CLIENT,
    ...(claimedBytes === undefined ? {} : { claimedBytes }),
    fields: [
      ...named.filter(({ value, unreadable: lost }) => value !== '' || lost),
      ...some(Field.RESENDS, record.resends),
      ...some(Field.FORCE_QUERY, Number(record.forceQuery ?? false)),
      ...(record.error === undefined
        ? [
            { field: Field.STATUS, value: record.status ?? 0 },
            { field: Field.PROTOCOL, value: (protocol[0] << 8) | protocol[1] },
          ]
        : [{ field: GoErrorField.KNOWN, value: record.error }]),
      ...some(GoErrorField.ERRNO, record.errno),
      ...some(GoErrorField.MESSAGE, record.message),
      ...some(GoErrorField.TYPE, record.type),
    ],
  });
}

function write(record: ClientRecord) {
  // Not at the start of the slab.
  const before = encode({ texts: { METHOD: 'PUT', URL: 'http://other.test/' }, status: 500, resends: 3 });
  const slab = slabOf(Uint8Array.from(Buffer.concat([before, encode(record)])));
  const spans: SpanObject[] = [];
  const written = goHttpClient.write(slab, before.length, resource, new ObjectSpanWriter((span) => spans.push(span)));
  return { written, spans };
}

function spanOf(record: ClientRecord): SpanObject {
  const { written, spans } = write({ status: 200, ...record, texts: { METHOD: 'GET', ...record.texts } });
  expect(written).toBe('client');
  return spans[0]!;
}

const whole = (url: string) => spanOf({ texts: { URL: url } }).attributes;

test('an ordinary call', () => {
  const span = spanOf({ texts: { URL: 'https://shop.test:8443/items/7?full=1' } });
  expect(span).toMatchObject({ name: 'GET', status: { code: StatusCode.unset }, resource });
  expect(span.attributes).toEqual({
    'http.request.method': 'GET',
    'url.full': 'https://shop.test:8443/items/7?full=1',
    'server.address': 'shop.test',
    'server.port': 8443,
    'http.response.status_code': 200,
    'network.protocol.version': '1.1',
  });
});

describe('method', () => {
  test.each([
    ['', 'GET', 'GET', undefined],
    ['DELETE', 'DELETE', 'DELETE', undefined],
    ['PURGE', 'HTTP', '_OTHER', 'PURGE'],
    ['get', 'HTTP', '_OTHER', 'get'],
  ])('%j', (method, name, known, original) => {
    const span = spanOf({ texts: { METHOD: method, URL: 'http://a/' } });
    expect(span.name).toBe(name);
    expect(span.attributes).toMatchObject({ 'http.request.method': known });
    expect(span.attributes['http.request.method_original']).toBe(original);
  });
});

describe('a URL in one piece', () => {
  test.each([
    ['http://a', 'a', 80],
    ['https://a', 'a', 443],
    ['http://a?b', 'a', 80],
    ['http://[::1]:81/x', '::1', 81],
    ['http://[::1]', '::1', 80],
  ])('%s', (url, address, port) => {
    expect(whole(url)).toMatchObject({ 'url.full': url, 'server.address': address, 'server.port': port });
  });

  test.each([
    ['http://a/b c?d e', 'http://a/b%20c?d e'],
    ['http://a/\xc3\xa4', 'http://a/%C3%A4'],
    ['http://a/?sig=x&b=1', 'http://a/?sig=REDACTED&b=1'],
    ['http://a?Signature=x', 'http://a?Signature=REDACTED'],
  ])('%s is told as %s', (url, told) => {
    expect(whole(url)['url.full']).toBe(told);
  });
});

describe('a URL in parts', () => {
  const parts = (texts: ClientRecord['texts']) =>
    spanOf({ texts: { SCHEME: 'http', HOST: 'a:81', ...texts } }).attributes;

  test.each([
    [{ PATH: '/b', QUERY: 'c=d' }, 'http://a:81/b?c=d'],
    [{}, 'http://a:81'],
    [{ QUERY: 'c' }, 'http://a:81?c'],
    [{ PATH: '/b c/%' }, 'http://a:81/b%20c/%25'],
    [{ PATH: '/b/c', RAW_PATH: '/b%2Fc' }, 'http://a:81/b%2Fc'],
    [{ PATH: '/b*', RAW_PATH: '/b*' }, 'http://a:81/b*'],
    // url.URL ignores a RawPath that is not an encoding.
    [{ PATH: '/b c', RAW_PATH: '/b c' }, 'http://a:81/b%20c'],
    [{ PATH: 'b' }, 'http://a:81/b'],
    [{ PATH: '*' }, 'http://a:81/*'],
    // It is one only of this path, which a reverse proxy may have changed alone.
    [{ PATH: '/a/b', RAW_PATH: '/api/a%2Fb' }, 'http://a:81/a/b'],
    [{ PATH: '/a/b', RAW_PATH: '/a%2F' }, 'http://a:81/a/b'],
    [{ PATH: '/a/', RAW_PATH: '/a%2Fb' }, 'http://a:81/a/'],
    [{ PATH: '/a\xc3\xa4', RAW_PATH: '/%61%c3%A4' }, 'http://a:81/%61%c3%A4'],
    [{ PATH: '/a%2', RAW_PATH: '/a%2' }, 'http://a:81/a%252'],
    // A target that the program wrote.
    [{ OPAQUE: '/ok%2F', QUERY: 'q=1' }, 'http://a:81/ok%2F?q=1'],
    [{ OPAQUE: '//a:81/ok%2F?not=query', QUERY: 'q=1' }, 'http://a:81/ok%2F?not=query?q=1'],
    [{ OPAQUE: '//user:secret@a:81/ok?sig=secret' }, 'http://a:81/ok?sig=REDACTED'],
    [{ OPAQUE: 'http://user:secret@a:81/@' }, 'http://a:81/@'],
    [{ OPAQUE: 'a' }, 'http://a:81/a'],
    [{ PATH: '/b', QUERY: 'X-Goog-Signature=secret' }, 'http://a:81/b?X-Goog-Signature=REDACTED'],
    [{ HOST: 'user:secret@a:81', PATH: '/b' }, 'http://a:81/b'],
  ])('%j', (texts, url) => {
    const attributes = parts(texts);
    expect(attributes).toMatchObject({ 'url.full': url, 'server.address': 'a', 'server.port': 81 });
  });

  test('an empty query that is forced', () => {
    const texts = { SCHEME: 'http', HOST: 'a', PATH: '/b' };
    expect(spanOf({ texts, forceQuery: true }).attributes['url.full']).toBe('http://a/b?');
    expect(spanOf({ texts: { ...texts, OPAQUE: '/c' }, forceQuery: true }).attributes['url.full']).toBe('http://a/c?');
  });

  test('of a path and its encoding that were cut, the encoding, as far as they agree', () => {
    const cutUrl = (PATH: string, RAW_PATH: string) =>
      spanOf({ texts: { SCHEME: 'http', HOST: 'a', PATH, RAW_PATH }, cut: [Field.PATH, Field.RAW_PATH] }).attributes[
        'url.full'
      ];
    expect(cutUrl('/b/cdef', '/b%2Fcd')).toBe('http://a/b%2Fcd');
    expect(cutUrl('/b/cdef', '/b%2Fc%6')).toBe('http://a/b%2Fc%6');
    expect(cutUrl('/x/cdef', '/b%2Fcd')).toBe('http://a/x/cdef');
  });

  test('none at all', () => {
    const attributes = spanOf({}).attributes;
    expect(attributes).not.toHaveProperty(['url.full']);
    expect(attributes).not.toHaveProperty(['server.address']);
  });
});

describe('outcome', () => {
  test.each([
    [{ status: 399 }, undefined],
    [{ status: 400 }, '400'],
    [{ status: 503 }, '503'],
    [{ status: 0, error: 0 }, '_OTHER'],
    [{ status: 0, error: 3, errno: 111 }, 'ECONNREFUSED'],
  ])('%j', (record, errorType) => {
    const span = spanOf(record);
    expect(span.attributes['error.type']).toBe(errorType);
    expect(span.status.code).toBe(errorType === undefined ? StatusCode.unset : StatusCode.error);
    expect(span.attributes['http.response.status_code']).toBe(record.status || undefined);
  });

  test.each([
    [[2, 0], '2'],
    [[1, 0], '1.0'],
    [[0, 0], undefined],
  ] as const)('protocol %j', (protocol, version) => {
    expect(spanOf({ protocol }).attributes['network.protocol.version']).toBe(version);
  });

  test('sent again', () => {
    expect(spanOf({ resends: 2 }).attributes).toMatchObject({ 'http.request.resend_count': 2 });
  });
});

test('what was cut or could not be read is named', () => {
  const texts = { METHOD: 'GET', URL: 'http://a/' };
  expect(spanOf({ texts, cut: [Field.URL, Field.METHOD] }).attributes['uspan.truncated']).toBe(
    'http.request.method,url.full',
  );
  expect(spanOf({ texts, unreadable: [Field.URL] }).attributes['uspan.unreadable']).toBe('url.full');
  // Parts of one attribute name it once.
  const parts = { SCHEME: 'http', HOST: 'a', PATH: '/b', QUERY: 'c' };
  expect(spanOf({ texts: parts, cut: [Field.PATH, Field.QUERY] }).attributes['uspan.truncated']).toBe('url.full');
});

test('a record that contradicts itself is none', () => {
  for (const claimedBytes of [0, SpanHead.size - 1, SpanHead.size + 6]) {
    expect(write({ texts: { METHOD: 'GET' }, claimedBytes })).toEqual({ written: 'malformed', spans: [] });
  }
});

describe('errors', () => {
  test.each([
    [0, 0, '', '_OTHER'],
    [1, 0, '', '*net.OpError'],
    [3, 104, '', 'ECONNRESET'],
    [3, 999, '', 'errno 999'],
    [5, 0, 'context canceled', 'canceled'],
    [5, 0, 'EOF', 'EOF'],
    [5, 0, 'password=secret', '*errors.errorString'],
    [6, 0, '', 'timeout'],
    [999, 0, '', '_OTHER'],
  ])('%i, errno %i, %j: %s', (error, errno, message, type) => {
    const { attributes } = spanOf({ status: 0, error, errno, message });
    expect(attributes['error.type']).toBe(type);
    expect(JSON.stringify(attributes)).not.toContain('secret');
  });

  test('of a type that is not known: its name, unless what wraps it says more', () => {
    expect(spanOf({ error: 0, type: '*main.refusal' }).attributes['error.type']).toBe('*main.refusal');
    expect(spanOf({ error: 16, type: '*main.refusal' }).attributes['error.type']).toBe('*main.refusal');
    expect(spanOf({ error: 1, type: '*net.AddrError' }).attributes['error.type']).toBe('*net.OpError');
  });

  test('the table has a place for each, whatever of them the binary has', () => {
    const types = {
      start: 0,
      field: () => undefined,
      descriptor: () => undefined,
      hash: (name: string) => (name === '*net.OpError' ? 0xdeadbeef : undefined),
      contextWrappers: () => [],
      errorWrappers: () => [],
      headerMap: () => undefined,
    };
    const bytes = goErrors(types);
    expect(bytes.length).toBeLessThanOrEqual(Constant.GO_ERRORS * GoError.size);
    const view = new DataView(bytes.buffer);
    expect(view.getUint32(GoError.typeHash, true)).toBe(0xdeadbeef);
    expect(view.getUint16(GoError.inner, true)).toBe(Constant.FIELD_ABSENT);
    expect(view.getUint32(GoError.size + GoError.typeHash, true)).toBe(0);
    // A field that is not found is not read.
    for (let at = 0; at < bytes.length; at += GoError.size) {
      expect(view.getUint16(at + GoError.reads, true)).toBeLessThanOrEqual(GoErrorReads.SKIP);
    }
  });
});
