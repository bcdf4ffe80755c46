/** PostgreSQL spans against the stable database conventions, https://opentelemetry.io/docs/specs/semconv/database/. */
import { describe, expect, test } from 'vitest';
import { SpanKind, StatusCode } from '../../src/contract/span.ts';
import { ObjectSpanWriter } from '../../src/otel/object-span-writer.ts';
import type { SpanObject } from '../../src/otel/span-object.ts';
import { postgresql } from '../../src/probes/definitions/postgresql/postgresql.ts';
import {
  Constant,
  EventKind,
  PostgresqlField as Field,
  FieldHead,
  NodePeer,
  SpanHead,
} from '../../src/probes/layout.gen.ts';
import { slabOf } from '../support/otlp-slab.ts';
import { encodeSpanRecord, type RecordField } from '../support/span-record.ts';

interface Values {
  readonly database?: string;
  readonly user?: string;
  readonly application?: string;
  readonly statement?: string;
  readonly family?: number;
  /** Hex. */
  readonly address?: string;
  readonly sqlstate?: string;
  readonly failed?: boolean;
  readonly cut?: boolean;
  readonly unreadable?: boolean;
  readonly claimedBytes?: number;
}

/** MAKE_SQLSTATE of src/include/utils/elog.h. */
const pack = (code: string) =>
  [...code].reduce((sum, char, i) => sum + ((char.charCodeAt(0) - 0x30) & 63) * 2 ** (6 * i), 0);

/** `struct uspan_node_peer`, with a port of 50123. */
function peerOf(family: number, address: string): Uint8Array {
  const bytes = new Uint8Array(NodePeer.size);
  bytes.set(Buffer.from(address, 'hex'), NodePeer.address);
  const view = new DataView(bytes.buffer);
  view.setUint16(NodePeer.family, family, true);
  view.setUint16(NodePeer.port, 50123, true);
  return bytes;
}

/** A record as bpf/usdt/postgresql.bpf.c sends it. */
function record(values: Values) {
  const { database, user, application, statement, family, address = '', failed, sqlstate, cut, unreadable } = values;
  const text = (field: number, value: string | undefined): RecordField[] =>
    value === undefined ? [] : [{ field, value: Buffer.from(value) }];
  const state = sqlstate ? pack(sqlstate) : Constant.POSTGRESQL_UNKNOWN_STATE;
  const fields = [
    { field: Field.SQLSTATE, value: failed ? state : 0 },
    ...text(Field.DATABASE, database),
    ...text(Field.USER, user),
    ...(family === undefined ? [] : [{ field: Field.PEER, value: peerOf(family, address) }]),
    ...text(Field.APPLICATION, application),
    { field: Field.STATEMENT, value: Buffer.from(statement ?? ''), cut, unreadable },
  ];
  const slab = slabOf(encodeSpanRecord({ kind: EventKind.POSTGRESQL, fields, claimedBytes: values.claimedBytes }));
  new DataView(slab.bytes.buffer).setUint32(SpanHead.headTid, 4711, true);
  return slab;
}

const resource = { attributes: { 'service.name': 'postgres' } };

function spanOf(values: Values): SpanObject {
  const spans: SpanObject[] = [];
  const writer = new ObjectSpanWriter((span) => spans.push(span));
  expect(postgresql.write(record(values), 0, resource, writer)).toBe('server');
  return spans[0]!;
}

test('an ordinary statement', () => {
  const span = spanOf({
    database: 'shop',
    user: 'app',
    application: 'checkout',
    statement: "select * from orders where id = 7 and state = 'new' /* by hand */",
    family: 2,
    address: '7f000001',
  });
  expect(span).toMatchObject({
    name: 'SELECT orders',
    kind: SpanKind.server,
    status: { code: StatusCode.unset, message: '' },
    resource,
  });
  expect(span.attributes).toEqual({
    'db.system.name': 'postgresql',
    'db.namespace': 'shop',
    'db.query.text': 'select * from orders where id = ? and state = ?',
    'db.query.summary': 'SELECT orders',
    'db.operation.name': 'SELECT',
    'db.collection.name': 'orders',
    'user.name': 'app',
    'client.address': '127.0.0.1',
    'network.peer.address': '127.0.0.1',
    'network.peer.port': 50123,
    'uspan.postgresql.application_name': 'checkout',
    'uspan.postgresql.backend_pid': 4711,
  });
});

test('with nothing known of the session', () => {
  const { attributes } = spanOf({ statement: 'commit' });
  expect(attributes).toEqual({
    'db.system.name': 'postgresql',
    'db.query.text': 'commit',
    'db.query.summary': 'COMMIT',
    'db.operation.name': 'COMMIT',
    'uspan.postgresql.backend_pid': 4711,
  });
});

test('over IPv6', () => {
  const { attributes } = spanOf({ family: 10, address: `20010db8${'00'.repeat(11)}07` });
  expect(attributes).toMatchObject({ 'client.address': '2001:db8::7', 'network.peer.address': '2001:db8::7' });
});

test.each(['22012', '42P01', '57014', 'XX000', 'P0001'])('failed with %s', (sqlstate) => {
  const { attributes, status } = spanOf({ statement: 'select 1', failed: true, sqlstate });
  expect(attributes).toMatchObject({ 'db.response.status_code': sqlstate, 'error.type': sqlstate });
  expect(status.code).toBe(StatusCode.error);
});

test('failed with nobody knows what', () => {
  const { attributes, status } = spanOf({ statement: 'select 1', failed: true });
  expect(attributes['error.type']).toBe('_OTHER');
  expect(attributes).not.toHaveProperty('db.response.status_code');
  expect(status.code).toBe(StatusCode.error);
});

test('a cut statement hides the literal it was cut in', () => {
  const { attributes } = spanOf({ statement: "select 'secr", cut: true });
  expect(attributes).toMatchObject({ 'db.query.text': 'select ?', 'uspan.truncated': 'db.query.text' });
});

test('a statement that could not be read', () => {
  const { attributes, name } = spanOf({ unreadable: true });
  expect(name).toBe('postgresql');
  expect(attributes).toMatchObject({ 'uspan.unreadable': 'db.query.text' });
});

describe('a record that contradicts itself is none', () => {
  const whole = { database: 'shop', statement: 'select 1' };
  test.each([
    ['shorter than its texts', SpanHead.size + 2 * FieldHead.size + 4 + 2],
    ['shorter than an event', SpanHead.size - 4],
  ])('%s', (_, claimedBytes) => {
    const spans: SpanObject[] = [];
    const writer = new ObjectSpanWriter((span) => spans.push(span));
    expect(postgresql.write(record({ ...whole, claimedBytes }), 0, resource, writer)).toBe('malformed');
    expect(spans).toEqual([]);
  });
});
