/** PostgreSQL spans against the stable database conventions, https://opentelemetry.io/docs/specs/semconv/database/. */
import { describe, expect, test } from 'vitest';
import { SpanKind, StatusCode } from '../../src/contract/span.ts';
import { ObjectSpanWriter } from '../../src/otel/object-span-writer.ts';
import type { SpanObject } from '../../src/otel/span-object.ts';
import { writePostgresqlSpan } from '../../src/probes/definitions/postgresql/span.ts';
import { PostgresqlEvent, PostgresqlText, SpanFlag } from '../../src/probes/layout.gen.ts';
import { putSpanHead, slabOf } from '../support/otlp-slab.ts';

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
  readonly flags?: number;
  readonly claimedBytes?: number;
}

/** MAKE_SQLSTATE of src/include/utils/elog.h. */
const pack = (code: string) =>
  [...code].reduce((sum, char, i) => sum + ((char.charCodeAt(0) - 0x30) & 63) * 2 ** (6 * i), 0);

/** A record as bpf/usdt/postgresql.bpf.c sends it. */
function record(values: Values) {
  const { database = '', user = '', application = '', statement = '' } = values;
  const texts = [database, user, application, statement].map((text) => Buffer.from(text));
  const names = Buffer.concat(texts.slice(0, 3));
  const tail = Buffer.concat([names, Buffer.alloc(-names.length & 3), texts[PostgresqlText.STATEMENT]!]);
  const slab = slabOf(new Uint8Array((PostgresqlEvent.size + tail.length + 7) & ~7));
  putSpanHead(slab, 0, {});
  const view = new DataView(slab.bytes.buffer);
  view.setUint32(PostgresqlEvent.spanHeadTid, 4711, true);
  view.setUint32(PostgresqlEvent.spanHeadLen, values.claimedBytes ?? PostgresqlEvent.size + tail.length, true);
  view.setUint32(PostgresqlEvent.spanSpanFlags, values.flags ?? 0, true);
  view.setUint32(PostgresqlEvent.failed, values.failed ? 1 : 0, true);
  view.setUint32(PostgresqlEvent.sqlstate, values.sqlstate ? pack(values.sqlstate) : 0, true);
  for (const [i, text] of texts.entries()) view.setUint16(PostgresqlEvent.textLen + 2 * i, text.length, true);
  view.setUint16(PostgresqlEvent.peerFamily, values.family ?? 0, true);
  view.setUint16(PostgresqlEvent.peerPort, 50123);
  slab.bytes.set(Buffer.from(values.address ?? '', 'hex'), PostgresqlEvent.peerAddress);
  slab.bytes.set(tail, PostgresqlEvent.size);
  return slab;
}

const resource = { attributes: { 'service.name': 'postgres' } };

function spanOf(values: Values): SpanObject {
  const spans: SpanObject[] = [];
  const writer = new ObjectSpanWriter((span) => spans.push(span));
  expect(writePostgresqlSpan(record(values), 0, resource, writer)).toBe('server');
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
  const { attributes } = spanOf({ statement: "select 'secr", flags: SpanFlag.CUT });
  expect(attributes).toMatchObject({ 'db.query.text': 'select ?', 'uspan.truncated': 'db.query.text' });
});

test('a statement that could not be read', () => {
  const { attributes, name } = spanOf({ flags: SpanFlag.UNREADABLE });
  expect(name).toBe('postgresql');
  expect(attributes).toMatchObject({ 'uspan.unreadable': 'db.query.text' });
});

describe('a record that contradicts itself is none', () => {
  const whole = { database: 'shop', statement: 'select 1' };
  test.each([
    ['shorter than its texts', PostgresqlEvent.size + 8],
    ['shorter than an event', PostgresqlEvent.size - 4],
  ])('%s', (_, claimedBytes) => {
    const spans: SpanObject[] = [];
    const writer = new ObjectSpanWriter((span) => spans.push(span));
    expect(writePostgresqlSpan(record({ ...whole, claimedBytes }), 0, resource, writer)).toBe('malformed');
    expect(spans).toEqual([]);
  });
});
