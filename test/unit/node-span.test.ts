/** Records as bpf/node/node_http.bpf.c sends them, made by hand, against the stable semantic conventions. */
import { describe, expect, test } from 'vitest';
import { SpanKind, StatusCode } from '../../src/contract/span.ts';
import { ObjectSpanWriter } from '../../src/otel/object-span-writer.ts';
import type { SpanObject } from '../../src/otel/span-object.ts';
import { nodeErrorType } from '../../src/probes/definitions/node/errors.ts';
import { writeNodeSpan } from '../../src/probes/definitions/node/span.ts';
import { EventKind, NodeClientEvent, NodePeer, NodeSqlEvent, SpanFlag, SpanHead } from '../../src/probes/layout.gen.ts';
import { putSpanHead, type SpanHeadValues, slabOf } from '../support/otlp-slab.ts';

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
  /** What the record says of its length instead of the truth. */
  readonly claimedBytes?: number;
}

const local: Peer = { family: 2, address: [127, 0, 0, 1], port: 5432 };

function record(kind: number, size: number, text: Buffer, common: Common, errorAt: number, peerAt: number) {
  const slab = slabOf(new Uint8Array((size + text.length + 7) & ~7));
  const view = new DataView(slab.bytes.buffer);
  putSpanHead(slab, 0, common.spanHead ?? {});
  view.setUint16(SpanHead.headKind, kind, true);
  view.setUint32(SpanHead.headLen, common.claimedBytes ?? size + text.length, true);
  view.setUint32(SpanHead.spanFlags, common.flags ?? 0, true);
  view.setUint32(errorAt, common.error ?? 0, true);
  const { family, address, port } = common.peer ?? local;
  slab.bytes.set(address, peerAt + NodePeer.address);
  view.setUint16(peerAt + NodePeer.port, port, true);
  view.setUint16(peerAt + NodePeer.family, family, true);
  slab.bytes.set(text, size);
  return { slab, view };
}

function written({ slab }: ReturnType<typeof record>): { result: string; span: SpanObject | undefined } {
  const spans: SpanObject[] = [];
  const result = writeNodeSpan(slab, 0, resource, new ObjectSpanWriter((span) => spans.push(span)));
  return { result, span: spans[0] };
}

const head = 'GET /items?id=7&sig=x HTTP/1.1\r\nhOsT: shop.test:8080\r\ntracestate: a=1\r\nUser-Agent: app\r\n\r\n';

function client(text = head, more: Common & { status?: number; protoMinor?: number } = {}) {
  const bytes = Buffer.from(text, 'latin1');
  const made = record(
    EventKind.NODE_HTTP_CLIENT,
    NodeClientEvent.size,
    bytes,
    more,
    NodeClientEvent.error,
    NodeClientEvent.peer,
  );
  made.view.setUint32(NodeClientEvent.status, more.status ?? 200, true);
  made.view.setUint8(NodeClientEvent.protoMinor, more.protoMinor ?? 1);
  made.view.setUint16(NodeClientEvent.headLen, bytes.length, true);
  return written(made);
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
    const { span } = client(`GET /${'x'.repeat(100)} HTTP/1.1\r\nHost: shop.te`, { flags: SpanFlag.CUT });
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
    expect(client(head, { claimedBytes: NodeClientEvent.size }).result).toBe('malformed');
    expect(client(head, { claimedBytes: 8 }).result).toBe('malformed');
  });
});

function sql(text: string, more: Common & { database?: string; state?: string; claimedText?: number } = {}) {
  const { database = 'shop', state = '' } = more;
  const made = record(
    EventKind.NODE_SQL,
    NodeSqlEvent.size,
    Buffer.from(text + database),
    more,
    NodeSqlEvent.error,
    NodeSqlEvent.peer,
  );
  made.view.setUint32(NodeSqlEvent.textLen, more.claimedText ?? Buffer.byteLength(text), true);
  made.view.setUint16(NodeSqlEvent.databaseLen, Buffer.byteLength(database), true);
  made.slab.bytes.set(Buffer.from(state), NodeSqlEvent.sqlstate);
  return written(made);
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
    expect(sql('SELECT 1', { claimedText: 4000 }).result).toBe('malformed');
    expect(sql('SELECT 1', { claimedText: 0xffffffff }).result).toBe('malformed');
  });
});

test('a record of another kind', () => {
  const made = record(EventKind.SQL, NodeSqlEvent.size, Buffer.from(''), {}, NodeSqlEvent.error, NodeSqlEvent.peer);
  expect(written(made).result).toBe('malformed');
});
