/** Records as Node.js's programs (bpf/node) send them, made by hand, against the stable semantic conventions. */
import { describe, expect, test } from 'vitest';
import type { Written } from '../../src/contract/decision.ts';
import { type Resource, type Slab, SpanKind, type SpanWriter, StatusCode } from '../../src/contract/span.ts';
import { ObjectSpanWriter } from '../../src/otel/object-span-writer.ts';
import type { SpanObject } from '../../src/otel/span-object.ts';
import { nodeErrorType } from '../../src/probes/definitions/node/errors.ts';
import { nodeHttpClient } from '../../src/probes/definitions/node/http-client.ts';
import { nodeHttpServer } from '../../src/probes/definitions/node/http-server.ts';
import { nodePg } from '../../src/probes/definitions/node/pg.ts';
import {
  Constant,
  EventKind,
  HttpServerField,
  NodeClientField,
  NodeConnection,
  NodeExchange,
  NodePeer,
  NodePg,
  NodePgField,
  SpanFlag,
  SpanHead,
} from '../../src/probes/layout.gen.ts';
import { type SpanHeadValues, slabOf } from '../support/otlp-slab.ts';
import { encodeSpanRecord, type RecordField } from '../support/span-record.ts';

const resource = { attributes: { 'service.name': 'shop' } };

interface Peer {
  readonly family: number;
  readonly address: readonly number[];
  readonly port: number;
}

interface Common {
  readonly flags?: number;
  readonly error?: number;
  readonly peer?: Peer;
  readonly spanHead?: SpanHeadValues;
  /** The length that the record claims, in place of the true one. */
  readonly claimedBytes?: number;
}

const local: Peer = { family: 2, address: [127, 0, 0, 1], port: 5432 };

/** An unknown peer is left out. */
function socket(field: number, { family, address, port }: Peer = local): RecordField[] {
  const value = new Uint8Array(NodePeer.size);
  value.set(address, NodePeer.address);
  const view = new DataView(value.buffer);
  view.setUint16(NodePeer.port, port, true);
  view.setUint16(NodePeer.family, family, true);
  return family === 0 ? [] : [{ field, value }];
}

function record(kind: number, fields: readonly RecordField[], common: Common): Slab {
  const { flags, spanHead: head, claimedBytes } = common;
  const more = {
    ...(flags === undefined ? {} : { flags }),
    ...(head === undefined ? {} : { head }),
    ...(claimedBytes === undefined ? {} : { claimedBytes }),
  };
  return slabOf(encodeSpanRecord({ kind, fields, ...more }));
}

type Write = (slab: Slab, at: number, resource: Resource, out: SpanWriter) => Written;

function written(write: Write, slab: Slab): { result: string; span: SpanObject | undefined } {
  const spans: SpanObject[] = [];
  const result = write(slab, 0, resource, new ObjectSpanWriter((span) => spans.push(span)));
  return { result, span: spans[0] };
}

test('what is kept of a connection', () => {
  expect(NodeConnection.size + NodePg.size).toBeLessThanOrEqual(256);
  expect(NodeConnection.size + NodeExchange.size).toBeLessThanOrEqual(256);
  expect(NodeExchange.size).toBeLessThanOrEqual(Constant.OWN_BYTES);
});

const head = 'GET /items?id=7&sig=x HTTP/1.1\r\nhOsT: shop.test:8080\r\ntracestate: a=1\r\nUser-Agent: app\r\n\r\n';

function client(text = head, more: Common & { status?: number; protoMinor?: number; cut?: boolean } = {}) {
  const { status = 200, protoMinor = 1, error, peer, cut = false } = more;
  const fields: RecordField[] = [
    ...socket(NodeClientField.SOCKET, peer),
    { field: NodeClientField.HEAD, value: text, cut },
    ...(status === 0
      ? []
      : [
          { field: NodeClientField.STATUS, value: status },
          { field: NodeClientField.PROTOCOL, value: protoMinor },
        ]),
    ...(error === undefined ? [] : [{ field: NodeClientField.ERROR, value: error }]),
  ];
  return written(nodeHttpClient.write, record(EventKind.NODE_HTTP_CLIENT, fields, more));
}

describe('a client request', () => {
  test('an ordinary one', () => {
    const { result, span } = client();
    expect(result).toBe('client');
    expect(span).toMatchObject({ name: 'GET', kind: SpanKind.client, status: { code: StatusCode.unset } });
    expect(span!.attributes).toEqual({
      'http.request.method': 'GET',
      'url.full': 'http://shop.test:8080/items?id=7&sig=REDACTED',
      'http.response.status_code': 200,
      'server.address': 'shop.test',
      'server.port': 8080,
      'network.peer.address': '127.0.0.1',
      'network.peer.port': 5432,
      'network.protocol.version': '1.1',
    });
    // A tracestate without a parent says nothing.
    expect(span!.traceState).toBeFalsy();
    expect(client(head, { spanHead: { parentSpanId: '00f067aa0ba902b7' } }).span!.traceState).toBe('a=1');
  });

  test.each([
    ['GET / HTTP/1.1\r\nHost: a.test\r\n\r\n', SpanFlag.TLS, 'https://a.test/', 'a.test', 443],
    ['GET / HTTP/1.1\r\nHost: a.test\r\n\r\n', 0, 'http://a.test/', 'a.test', 80],
    ['GET /é HTTP/1.1\r\nHost: [::1]:81\r\n\r\n', 0, 'http://[::1]:81/\ufffd', '::1', 81],
    ['OPTIONS * HTTP/1.1\r\nHost: a.test\r\n\r\n', 0, 'http://a.test', 'a.test', 80],
    ['CONNECT db.test:5432 HTTP/1.1\r\nHost: db.test:5432\r\n\r\n', 0, 'db.test:5432', 'db.test', 5432],
    ['GET http://u:p@a.test/x?y HTTP/1.1\r\nHost: a.test\r\n\r\n', 0, 'http://a.test/x?y', 'a.test', 80],
  ])('%j', (text, flags, url, address, port) => {
    expect(client(text, { flags }).span!.attributes).toMatchObject({
      'url.full': url,
      'server.address': address,
      'server.port': port,
    });
  });

  test('a head that was cut, a header in the cut', () => {
    const { span } = client(`GET /${'x'.repeat(100)} HTTP/1.1\r\nHost: shop.te`, { cut: true });
    expect(span!.attributes).not.toHaveProperty('server.address');
    expect(span!.attributes['uspan.truncated']).toBe('url.full');
  });

  test('failures', () => {
    expect(client(head, { status: 404 }).span).toMatchObject({
      attributes: { 'error.type': '404' },
      status: { code: StatusCode.error },
    });
    expect(client(head, { status: 0, error: 104, flags: SpanFlag.ABORTED }).span!.attributes).toMatchObject({
      'error.type': 'ECONNRESET',
    });
    expect(client(head, { status: 0, flags: SpanFlag.ABORTED }).span!.attributes).not.toHaveProperty(
      'http.response.status_code',
    );
    expect([0, 110, 4095, 4000].map(nodeErrorType)).toEqual([
      'aborted',
      'ETIMEDOUT',
      'connection_closed',
      'errno_4000',
    ]);
  });

  test('the export of an agent is none; another call is one, whatever its client calls itself', () => {
    expect(client('POST /v1/traces HTTP/1.1\r\nUser-Agent: uspan/1.2.3\r\n\r\n').result).toBe('own_export');
    expect(client('POST /orders HTTP/1.1\r\nUser-Agent: uspan/1.2.3\r\n\r\n').result).toBe('client');
  });

  test('a peer that is not known, one by IPv6', () => {
    const unknown = client(head, { peer: { family: 0, address: [], port: 0 } }).span!.attributes;
    expect(unknown).not.toHaveProperty('network.peer.address');
    const address = [0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];
    expect(client(head, { peer: { family: 10, address, port: 1 } }).span!.attributes['network.peer.address']).toBe(
      '2001:db8::1',
    );
  });

  test('a record that contradicts itself', () => {
    expect(client(head, { claimedBytes: SpanHead.size + 60 }).result).toBe('malformed');
    expect(client(head, { claimedBytes: 8 }).result).toBe('malformed');
  });
});

function sql(text: string, more: Common & { database?: string; state?: string } = {}) {
  const { database = 'shop', state = '', error, peer } = more;
  const fields: RecordField[] = [
    ...socket(NodePgField.SOCKET, peer),
    ...(database === '' ? [] : [{ field: NodePgField.DATABASE, value: database }]),
    ...(text === '' ? [] : [{ field: NodePgField.STATEMENT, value: text }]),
    ...(state === '' ? [] : [{ field: NodePgField.SQLSTATE, value: state }]),
    ...(error === undefined ? [] : [{ field: NodePgField.ERROR, value: error }]),
  ];
  return written(nodePg.write, record(EventKind.NODE_SQL, fields, more));
}

describe('a statement', () => {
  test('an ordinary one', () => {
    const { result, span } = sql("SELECT * FROM items WHERE label = 'secret'");
    expect(result).toBe('client');
    expect(span).toMatchObject({ name: 'SELECT items', kind: SpanKind.client, status: { code: StatusCode.unset } });
    expect(span!.attributes).toEqual({
      'db.system.name': 'postgresql',
      'db.namespace': 'shop',
      'db.query.text': 'SELECT * FROM items WHERE label = ?',
      'db.query.summary': 'SELECT items',
      'db.operation.name': 'SELECT',
      'db.collection.name': 'items',
      'server.address': '127.0.0.1',
      'server.port': 5432,
      'network.peer.address': '127.0.0.1',
      'network.peer.port': 5432,
    });
  });

  test('failures', () => {
    expect(sql('SELECT 1', { state: '42P01' }).span).toMatchObject({
      attributes: { 'db.response.status_code': '42P01', 'error.type': '42P01' },
      status: { code: StatusCode.error },
    });
    expect(sql('SELECT 1', { flags: SpanFlag.ABORTED, error: 4095 }).span!.attributes['error.type']).toBe(
      'connection_closed',
    );
  });

  test('without text or database', () => {
    const { span } = sql('', { database: '' });
    expect(span!.name).toBe('postgresql');
    expect(span!.attributes).not.toHaveProperty('db.query.text');
    expect(span!.attributes).not.toHaveProperty('db.namespace');
  });

  test('a record that contradicts itself', () => {
    expect(sql('SELECT 1', { claimedBytes: SpanHead.size + 30 }).result).toBe('malformed');
    expect(sql('SELECT 1', { claimedBytes: SpanHead.size - 4 }).result).toBe('malformed');
  });
});

describe('a request to a server', () => {
  const served = (fields: readonly RecordField[], common: Common = {}) =>
    written(nodeHttpServer.write, record(EventKind.NODE_HTTP_SERVER, fields, common)).span!;
  const request: readonly RecordField[] = [
    ...socket(HttpServerField.SOCKET),
    { field: HttpServerField.PROTOCOL, value: 257 },
    { field: HttpServerField.METHOD, value: 'GET' },
    { field: HttpServerField.TARGET, value: '/items?id=7' },
    { field: HttpServerField.HOST, value: 'shop.test:8080' },
  ];

  test('an ordinary one', () => {
    const span = served([...request, { field: HttpServerField.STATUS, value: 200 }]);
    expect(span).toMatchObject({ name: 'GET', kind: SpanKind.server, status: { code: StatusCode.unset } });
    expect(span.attributes).toEqual({
      'http.request.method': 'GET',
      'url.path': '/items',
      'url.query': 'id=7',
      'url.scheme': 'http',
      'http.response.status_code': 200,
      'server.address': 'shop.test',
      'server.port': 8080,
      'client.address': '127.0.0.1',
      'network.peer.address': '127.0.0.1',
      'network.peer.port': 5432,
      'network.protocol.version': '1.1',
    });
  });

  test('one that was not answered has no status', () => {
    const { attributes } = served([...request, { field: HttpServerField.STATUS, value: 0 }], {
      flags: SpanFlag.ABORTED,
    });
    expect(attributes).not.toHaveProperty('http.response.status_code');
    expect(attributes['error.type']).toBe('aborted');
  });

  test('peers whose addresses are remembered in the same place', () => {
    for (let last = 0; last < 255; last++) {
      const peer = { family: 2, address: [10, 0, last, 255 - last], port: last + 1 };
      const { attributes } = served([...socket(HttpServerField.SOCKET, peer), ...request.slice(1)]);
      expect(attributes['client.address']).toBe(`10.0.${last}.${255 - last}`);
      expect(attributes['network.peer.port']).toBe(last + 1);
    }
  });
});

test('each definition makes records of its own kind', () => {
  const kinds = [nodeHttpServer, nodeHttpClient, nodePg].map(({ recordKinds }) => recordKinds);
  expect(kinds).toEqual([[EventKind.NODE_HTTP_SERVER], [EventKind.NODE_HTTP_CLIENT], [EventKind.NODE_SQL]]);
});
