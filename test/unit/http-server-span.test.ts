/**
 * HTTP server spans against the stable semantic conventions, https://opentelemetry.io/docs/specs/semconv/http/http-spans/. Another test
 * proves that the two span writers are equal (otel-span-writer.test.ts), so objects are enough here.
 */
import { describe, expect, test } from 'vitest';
import type { Attributes } from '../../src/contract/span.ts';
import { SpanKind, StatusCode } from '../../src/contract/span.ts';
import { ObjectSpanWriter } from '../../src/otel/object-span-writer.ts';
import type { SpanObject } from '../../src/otel/span-object.ts';
import { goHttpServer } from '../../src/probes/definitions/go/http-server.ts';
import { Constant, FieldHead, HttpServerField, SpanFlag, SpanHead } from '../../src/probes/layout.gen.ts';
import { encodeRecord, type HttpRecord, plain, slabOfRecords } from './http-record.ts';

const resource = { attributes: { 'service.name': 'shop' } };

function spanOf(record: HttpRecord): SpanObject {
  const spans: SpanObject[] = [];
  // Not at the start of the slab, and with another record behind it.
  const { slab } = slabOfRecords(plain, record, plain);
  const at = encodeRecord(plain).length;
  expect(goHttpServer.write(slab, at, resource, new ObjectSpanWriter((span) => spans.push(span)))).toBe('server');
  expect(spans).toHaveLength(1);
  return spans[0]!;
}

const attributesOf = (record: HttpRecord): Attributes => spanOf({ ...plain, ...record }).attributes;

test('an ordinary request', () => {
  const span = spanOf({ ...plain, target: '/items/7?full=1', pattern: 'GET /items/{id}', traceState: 'a=1,b=2' });
  expect(span).toMatchObject({
    name: 'GET /items/{id}',
    kind: SpanKind.server,
    status: { code: StatusCode.unset, message: '' },
    traceState: 'a=1,b=2',
    resource,
  });
  expect(span.attributes).toEqual({
    'http.request.method': 'GET',
    'url.path': '/items/7',
    'url.query': 'full=1',
    'url.scheme': 'http',
    'http.route': '/items/{id}',
    'server.address': 'shop.test',
    'server.port': 8080,
    'client.address': '127.0.0.1',
    'network.peer.address': '127.0.0.1',
    'network.peer.port': 50123,
    'network.protocol.version': '1.1',
    'user_agent.original': 'curl/8.5.0',
    'http.response.status_code': 200,
  });
});

test('method and target copied in one piece, a blank between them', () => {
  const record = { ...plain, target: '/items/7?a=b', pattern: '/items/', traceState: 'x=y' };
  const inOnePiece = spanOf({ ...record, inOnePiece: true });
  expect(inOnePiece).toEqual(spanOf(record));
});

describe('method', () => {
  test.each(['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'CONNECT', 'OPTIONS', 'TRACE', 'PATCH', 'QUERY'])(
    '%s',
    (method) => {
      const span = spanOf({ ...plain, method });
      expect(span.name).toBe(method);
      expect(span.attributes).toMatchObject({ 'http.request.method': method });
      expect(span.attributes).not.toHaveProperty('http.request.method_original');
    },
  );

  test.each(['get', 'PROPFIND', 'GETS'])('%s is none that is known: the name begins with HTTP', (method) => {
    const span = spanOf({ ...plain, method, pattern: '/items/{id}' });
    expect(span.name).toBe('HTTP /items/{id}');
    expect(span.attributes).toMatchObject({
      'http.request.method': '_OTHER',
      'http.request.method_original': method,
    });
  });

  test('one that could not be read is not told to be empty', () => {
    const span = spanOf({ ...plain, unreadable: [HttpServerField.METHOD] });
    expect(span.name).toBe('HTTP');
    expect(span.attributes).toMatchObject({
      'http.request.method': '_OTHER',
      'uspan.unreadable': 'http.request.method',
    });
    expect(span.attributes).not.toHaveProperty('http.request.method_original');
  });
});

describe('target', () => {
  const urlOf = (target: string) => {
    const { 'url.path': path, 'url.query': query } = attributesOf({ target });
    return { path, query };
  };

  test.each([
    ['/', { path: '/' }],
    ['/a%20b/c', { path: '/a%20b/c' }],
    ['/search?q=a&page=2', { path: '/search', query: 'q=a&page=2' }],
    ['/?', { path: '/' }],
    ['/a?sig=secret&b=1', { path: '/a', query: 'sig=REDACTED&b=1' }],
    ['*', { path: '*' }],
    ['http://shop.test:8080/a?b=1', { path: '/a', query: 'b=1' }],
    ['http://user:password@shop.test/a', { path: '/a' }],
    // An http URL without a path has the path `/` (RFC 9110 §4.2.3).
    ['http://shop.test', { path: '/' }],
    ['http://shop.test?b=/1', { path: '/', query: 'b=/1' }],
    ['shop.test:443', {}],
    ['', {}],
  ])('%s', (target, expected) => {
    expect(urlOf(target)).toEqual({ path: undefined, query: undefined, ...expected });
  });

  test('is never in the name: it has too many values', () => {
    expect(spanOf({ ...plain, target: '/items/7' }).name).toBe('GET');
  });

  test('bytes that are no UTF-8 are replaced', () => {
    expect(attributesOf({ target: '/caf\xe9?\xff' })).toMatchObject({
      'url.path': '/caf\ufffd',
      'url.query': '\ufffd',
    });
    expect(attributesOf({ target: '/caf\xc3\xa9' })).toMatchObject({ 'url.path': '/café' });
  });
});

describe('route', () => {
  // net/http.ServeMux: "[METHOD ][HOST]/[PATH]".
  test.each([
    ['/', '/'],
    ['/items/', '/items/'],
    ['GET /items/{id}', '/items/{id}'],
    ['shop.test/items/{id}', '/items/{id}'],
    ['GET shop.test/items/{id}', '/items/{id}'],
    ['POST /files/{path...}', '/files/{path...}'],
    ['/exact/{$}', '/exact/{$}'],
    ['GET  /two-blanks', '/two-blanks'],
  ])('%s', (pattern, route) => {
    const span = spanOf({ ...plain, pattern });
    expect(span.name).toBe(`GET ${route}`);
    expect(span.attributes).toHaveProperty(['http.route'], route);
  });

  test.each(['', 'no slash'])('none in %j', (pattern) => {
    const span = spanOf({ ...plain, pattern });
    expect(span.name).toBe('GET');
    expect(span.attributes).not.toHaveProperty('http.route');
  });
});

describe('host', () => {
  const serverOf = (host: string) => {
    const { 'server.address': address, 'server.port': port } = attributesOf({ host });
    return { address, port };
  };

  // server.port is "if available": the header has a port only if it is not the scheme's default.
  test.each([
    ['shop.test:8080', { address: 'shop.test', port: 8080 }],
    ['shop.test', { address: 'shop.test' }],
    ['10.1.2.3:80', { address: '10.1.2.3', port: 80 }],
    ['[::1]:8080', { address: '::1', port: 8080 }],
    ['[2001:db8::1]', { address: '2001:db8::1' }],
    ['shop.test:', { address: 'shop.test' }],
    ['shop.test:http', { address: 'shop.test' }],
    ['shop.test:70000', { address: 'shop.test' }],
    ['shop.test:0', { address: 'shop.test' }],
    ['[::1', { address: '[::1' }],
    [':8080', {}],
    ['', {}],
  ])('%j', (host, expected) => {
    expect(serverOf(host)).toEqual({ address: undefined, port: undefined, ...expected });
  });
});

describe('peer', () => {
  const peerOf = (peer: string) => {
    const {
      'client.address': client,
      'network.peer.address': address,
      'network.peer.port': port,
    } = attributesOf({ peer });
    return { client, address, port };
  };

  test.each([
    ['192.0.2.7:50123', { client: '192.0.2.7', address: '192.0.2.7', port: 50123 }],
    ['[2001:db8::7]:50123', { client: '2001:db8::7', address: '2001:db8::7', port: 50123 }],
    ['[fe80::7%eth0]:1', { client: 'fe80::7%eth0', address: 'fe80::7%eth0', port: 1 }],
    // Unix sockets: without a name, or with the name that Go gives them.
    ['@', {}],
    ['', {}],
    ['/run/shop.sock', {}],
  ])('%j', (peer, expected) => {
    expect(peerOf(peer)).toEqual({ client: undefined, address: undefined, port: undefined, ...expected });
  });
});

test('TLS is https', () => {
  expect(attributesOf({ flags: SpanFlag.TLS })).toMatchObject({ 'url.scheme': 'https' });
});

test.each([
  [0, '1.0'],
  [1, '1.1'],
  [2, '1.2'],
])('HTTP/1.%i', (protoMinor, version) => {
  expect(attributesOf({ protoMinor })).toMatchObject({ 'network.protocol.version': version });
});

test('without a User-Agent there is no attribute for it', () => {
  expect(attributesOf({ userAgent: '' })).not.toHaveProperty('user_agent.original');
});

describe('outcome', () => {
  const outcomeOf = (record: HttpRecord) => {
    const { status, attributes } = spanOf({ ...plain, ...record });
    return {
      code: status.code,
      message: status.message,
      http: attributes['http.response.status_code'],
      error: attributes['error.type'],
    };
  };
  const unset = { code: StatusCode.unset, message: '', error: undefined };
  const failed = { code: StatusCode.error, message: '' };

  // "For HTTP status codes in the 4xx range span status MUST be left unset in case of SpanKind.SERVER."
  test.each([100, 101, 200, 204, 302, 400, 404, 499])('%i is no error of the server', (status) => {
    expect(outcomeOf({ status })).toEqual({ ...unset, http: status });
  });

  // "Don't set the span status description if the reason can be inferred from http.response.status_code."
  test.each([500, 503, 599])('%i is one', (status) => {
    expect(outcomeOf({ status })).toEqual({ ...failed, http: status, error: String(status) });
  });

  test('a handler that set none answered 200', () => {
    expect(outcomeOf({ status: 0 })).toEqual({ ...unset, http: 200 });
  });

  test('a panic before an answer: none was sent', () => {
    expect(outcomeOf({ status: 0, flags: SpanFlag.PANIC })).toEqual({
      ...failed,
      message: 'the handler panicked',
      http: undefined,
      error: 'panic',
    });
  });

  test('a panic after the header was written', () => {
    expect(outcomeOf({ status: 200, flags: SpanFlag.PANIC })).toMatchObject({
      ...failed,
      message: 'the handler panicked',
      http: 200,
      error: 'panic',
    });
    expect(outcomeOf({ status: 500, flags: SpanFlag.PANIC })).toMatchObject({ http: 500, error: 'panic' });
  });

  test('a handler that ended its goroutine did not panic, and sent no answer', () => {
    expect(outcomeOf({ status: 0, flags: SpanFlag.GOEXIT })).toEqual({
      ...failed,
      message: 'the handler ended its goroutine',
      http: undefined,
      error: 'goexit',
    });
    expect(outcomeOf({ status: 500, flags: SpanFlag.GOEXIT })).toMatchObject({ http: 500, error: 'goexit' });
  });

  test('the client went away', () => {
    expect(outcomeOf({ status: 200, flags: SpanFlag.ABORTED })).toEqual({
      ...failed,
      message: 'the connection ended before the response was complete',
      http: 200,
      error: 'aborted',
    });
    expect(outcomeOf({ status: 503, flags: SpanFlag.ABORTED })).toEqual({ ...failed, http: 503, error: '503' });
    expect(outcomeOf({ status: 0, flags: SpanFlag.ABORTED | SpanFlag.PANIC })).toMatchObject({ error: 'panic' });
  });

  test('a connection that was taken over has no status that could be seen', () => {
    const span = spanOf({ ...plain, status: 0, flags: SpanFlag.HIJACKED });
    expect(span.status.code).toBe(StatusCode.unset);
    expect(span.attributes).not.toHaveProperty('http.response.status_code');
    expect(span.attributes).toMatchObject({ 'uspan.connection.hijacked': true });
  });
});

describe('marks', () => {
  test('what was cut', () => {
    expect(attributesOf({ cut: [HttpServerField.TARGET, HttpServerField.USER_AGENT] })).toMatchObject({
      'url.path': '/items/7',
      'uspan.truncated': 'url,user_agent.original',
    });
  });

  test('what could not be read is absent and named', () => {
    const attributes = attributesOf({
      unreadable: [HttpServerField.HOST, HttpServerField.PEER, HttpServerField.PATTERN],
      pattern: '/x',
    });
    expect(attributes).toMatchObject({
      'url.path': '/items/7',
      'user_agent.original': 'curl/8.5.0',
      'uspan.unreadable': 'server.address,network.peer.address,http.route',
    });
    expect(Object.keys(attributes).filter((key) => /^(server|client|network\.peer|http\.route)/.test(key))).toEqual([]);
  });

  test('nothing is marked otherwise', () => {
    expect(Object.keys(attributesOf({})).filter((key) => key.startsWith('uspan.'))).toEqual([]);
  });

  test('two tracestate headers are one list', () => {
    expect(spanOf({ ...plain, traceState: 'a=1', moreTraceState: 'b=2' }).traceState).toBe('a=1,b=2');
    const cut = [HttpServerField.TRACESTATE_MORE];
    const span = spanOf({ ...plain, traceState: 'a=1', moreTraceState: 'b=2,c', cut });
    expect([span.traceState, span.attributes['uspan.truncated']]).toEqual(['a=1,b=2', 'tracestate']);
    expect(spanOf({ ...plain, traceState: 'a=1', moreTraceState: 'b', cut }).traceState).toBe('a=1');
    const first = [HttpServerField.TRACESTATE];
    expect(spanOf({ ...plain, traceState: 'a=1,b', moreTraceState: 'c=3', cut: first }).traceState).toBe('a=1');
  });

  test('a tracestate that was cut keeps its whole members', () => {
    const cut = [HttpServerField.TRACESTATE];
    expect(spanOf({ ...plain, traceState: 'a=1,b=2,c', cut }).traceState).toBe('a=1,b=2');
    expect(spanOf({ ...plain, traceState: 'a=123', cut }).traceState).toBe('');
    expect(spanOf({ ...plain, traceState: ',a=123', cut }).traceState).toBe('');
    expect(spanOf({ ...plain, traceState: 'a=1,b', cut: [HttpServerField.TARGET] }).traceState).toBe('a=1,b');
  });
});

describe('records that are no span', () => {
  const written = (record: HttpRecord, change?: (view: DataView) => void) => {
    const bytes = encodeRecord(record);
    change?.(new DataView(bytes.buffer));
    const spans: SpanObject[] = [];
    const slab = { bytes, words: new Uint32Array(bytes.buffer) };
    const result = goHttpServer.write(slab, 0, resource, new ObjectSpanWriter((span) => spans.push(span)));
    expect(spans).toHaveLength(result === 'server' ? 1 : 0);
    return result;
  };

  test('fields longer than the record, or with a number that no field has', () => {
    const record = { ...plain, traceState: 'a=1', pattern: '/items/' };
    expect(written(record)).toBe('server');
    const { length } = encodeRecord(record);
    let fields = 0;
    for (let at: number = SpanHead.size; at + FieldHead.size <= length; fields++) {
      expect(written(record, (view) => view.setUint16(at + FieldHead.len, 0xffff, true))).toBe('malformed');
      expect(written(record, (view) => view.setUint8(at + FieldHead.field, Constant.MAX_FIELDS))).toBe('malformed');
      const bytes = new DataView(encodeRecord(record).buffer).getUint16(at + FieldHead.len, true);
      at += FieldHead.size + ((bytes + 3) & ~3);
    }
    expect(fields).toBe(9);
  });

  test('a record shorter than its fixed part, or by one byte', () => {
    expect(written({ ...plain, claimedBytes: 24 })).toBe('malformed');
    expect(written({ ...plain, claimedBytes: SpanHead.size - 1 })).toBe('malformed');
    expect(written({ claimedBytes: SpanHead.size })).toBe('server');
    const bytes = encodeRecord({ ...plain, pattern: '/items/7' });
    const whole = new DataView(bytes.buffer).getUint32(SpanHead.headLen, true);
    expect(written({ ...plain, pattern: '/items/7', claimedBytes: whole - 1 })).toBe('malformed');
    expect(written({ ...plain, pattern: '/items/7', claimedBytes: whole })).toBe('server');
  });

  test("nor is the agent's own export, served by a traced collector, a span", () => {
    const request = { ...plain, method: 'POST', target: '/v1/traces' };
    expect(written({ ...request, userAgent: 'uspan/0.1.0 OTel-OTLP-Exporter-JavaScript/0.301.0' })).toBe('own_export');
    expect(written({ ...request, userAgent: 'uspanner/1.0' })).toBe('server');
    const userAgent = 'uspan/0.1.0';
    for (const target of ['/otlp/v1/traces', '/v1/traces?key=1', 'http://collector:4318/v1/traces']) {
      expect(written({ ...request, target, userAgent })).toBe('own_export');
    }
    expect(written({ ...request, userAgent: 'uspan/' })).toBe('server');
  });

  test('but no other request is hidden, whatever its client calls itself', () => {
    const userAgent = 'uspan/0.1.0';
    for (const target of ['/', '/orders', '/v1/traces/', '/v1/tracesX', '1/traces', '/?x=/v1/traces', '']) {
      expect(written({ ...plain, target, userAgent })).toBe('server');
    }
  });
});
