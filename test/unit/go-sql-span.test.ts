/** Go database/sql spans against the stable database conventions, https://opentelemetry.io/docs/specs/semconv/database/. */
import { describe, expect, test } from 'vitest';
import { SpanKind, StatusCode } from '../../src/contract/span.ts';
import { ObjectSpanWriter } from '../../src/otel/object-span-writer.ts';
import type { SpanObject } from '../../src/otel/span-object.ts';
import { writeGoSqlSpan } from '../../src/probes/definitions/go/sql-span.ts';
import { SpanFlag, SqlEvent, SqlOperation, SqlSystem, SqlText } from '../../src/probes/layout.gen.ts';
import { putSpanHead, slabOf } from '../support/otlp-slab.ts';

interface Values {
  readonly statement?: string;
  readonly errorType?: string;
  readonly message?: string;
  readonly status?: string;
  readonly statusNumber?: number;
  readonly failed?: boolean;
  readonly system?: number;
  readonly operation?: number;
  readonly flags?: number;
  readonly cut?: number;
  readonly unreadable?: number;
  readonly claimedBytes?: number;
}

/** A record as bpf/go/go_sql.bpf.c sends it. */
function record(values: Values) {
  const texts = [values.statement, values.errorType, values.message, values.status].map((text) =>
    Buffer.from(text ?? ''),
  );
  const tail = Buffer.concat(texts);
  const slab = slabOf(new Uint8Array((SqlEvent.size + tail.length + 7) & ~7));
  putSpanHead(slab, 0, {});
  const view = new DataView(slab.bytes.buffer);
  view.setUint32(SqlEvent.spanHeadLen, values.claimedBytes ?? SqlEvent.size + tail.length, true);
  view.setUint32(SqlEvent.spanSpanFlags, values.flags ?? 0, true);
  view.setUint32(SqlEvent.statusNumber, values.statusNumber ?? 0, true);
  view.setUint8(SqlEvent.system, values.system ?? SqlSystem.POSTGRESQL);
  view.setUint8(SqlEvent.operation, values.operation ?? SqlOperation.STATEMENT);
  view.setUint8(SqlEvent.failed, values.failed ? 1 : 0);
  view.setUint8(SqlEvent.cutMask, values.cut ?? 0);
  view.setUint8(SqlEvent.unreadableMask, values.unreadable ?? 0);
  for (const [i, text] of texts.entries()) view.setUint16(SqlEvent.textLen + 2 * i, text.length, true);
  slab.bytes.set(tail, SqlEvent.size);
  return slab;
}

const resource = { attributes: { 'service.name': 'shop' } };

function write(values: Values) {
  const spans: SpanObject[] = [];
  const written = writeGoSqlSpan(record(values), 0, resource, new ObjectSpanWriter((span) => spans.push(span)));
  return { written, spans };
}

function spanOf(values: Values): SpanObject {
  const { written, spans } = write(values);
  expect(written).toBe('client');
  expect(spans).toHaveLength(1);
  return spans[0]!;
}

test('a statement', () => {
  expect(spanOf({ statement: "SELECT a FROM goods WHERE b = 'secret'" })).toMatchObject({
    name: 'SELECT goods',
    kind: SpanKind.client,
    status: { code: StatusCode.unset },
    attributes: {
      'db.system.name': 'postgresql',
      'db.query.text': 'SELECT a FROM goods WHERE b = ?',
      'db.query.summary': 'SELECT goods',
      'db.operation.name': 'SELECT',
      'db.collection.name': 'goods',
    },
  });
});

test.each([
  [SqlSystem.OTHER, 'other_sql'],
  [SqlSystem.MYSQL, 'mysql'],
  [SqlSystem.SQLITE, 'sqlite'],
])('a text that says nothing is named by its system: %i', (system, name) => {
  const { name: span, attributes } = spanOf({ statement: 'hello', system });
  expect([span, attributes]).toEqual([name, { 'db.system.name': name, 'db.query.text': 'hello' }]);
});

test('preparing, and what has no statement', () => {
  const { name, attributes } = spanOf({ statement: 'UPDATE goods SET a = 1', operation: SqlOperation.OP_PREPARE });
  expect([name, attributes['db.operation.name'], attributes['db.query.text']]).toEqual([
    'PREPARE goods',
    'PREPARE',
    'UPDATE goods SET a = ?',
  ]);
  for (const [operation, word] of [
    [SqlOperation.OP_BEGIN, 'BEGIN'],
    [SqlOperation.OP_COMMIT, 'COMMIT'],
    [SqlOperation.OP_ROLLBACK, 'ROLLBACK'],
  ] as const) {
    expect(spanOf({ operation })).toMatchObject({
      name: word,
      attributes: { 'db.query.summary': word, 'db.operation.name': word },
    });
  }
});

describe('failures', () => {
  const failed = (values: Values) => {
    const { status, attributes } = spanOf({ statement: 'SELECT 1', failed: true, ...values });
    expect(status.code).toBe(StatusCode.error);
    return [attributes['error.type'], attributes['db.response.status_code']];
  };

  test('by what the database answered', () => {
    expect(failed({ errorType: '*pq.Error', status: '23505' })).toEqual(['23505', '23505']);
    expect(failed({ errorType: '*mysql.MySQLError', statusNumber: 1062 })).toEqual(['1062', '1062']);
  });

  test('else by the type of the error, or its name', () => {
    expect(failed({ errorType: '*net.OpError' })).toEqual(['*net.OpError', undefined]);
    expect(failed({ errorType: '*errors.errorString', message: 'context canceled' })[0]).toBe('context.Canceled');
    expect(failed({ errorType: '*errors.errorString', message: 'driver: bad connection' })[0]).toBe(
      'driver.ErrBadConn',
    );
    expect(failed({})).toEqual(['_OTHER', undefined]);
  });

  test('no message is told', () => {
    const { attributes } = spanOf({ failed: true, errorType: '*errors.errorString', message: 'no such user: secret' });
    expect(attributes['error.type']).toBe('*errors.errorString');
    expect(JSON.stringify(attributes)).not.toContain('secret');
  });
});

test('what was cut or could not be read is marked', () => {
  const statement = 1 << SqlText.STATEMENT;
  const cut = spanOf({ statement: "INSERT INTO t VALUES ('sec", flags: SpanFlag.CUT, cut: statement });
  expect(cut.attributes).toMatchObject({
    'db.query.text': 'INSERT INTO t VALUES (?',
    'uspan.truncated': 'db.query.text',
  });
  const { name, attributes } = spanOf({ flags: SpanFlag.UNREADABLE, unreadable: statement });
  expect([name, attributes]).toEqual([
    'postgresql',
    { 'db.system.name': 'postgresql', 'uspan.unreadable': 'db.query.text' },
  ]);
  // Of other texts nothing is said: they are not exported.
  const error = spanOf({ statement: 'SELECT 1', flags: SpanFlag.CUT, cut: 1 << SqlText.ERROR_MESSAGE });
  expect(error.attributes).not.toHaveProperty('uspan.truncated');
});

test('texts that do not fit, and a system nobody knows, make no span', () => {
  expect(write({ statement: 'SELECT 1', claimedBytes: SqlEvent.size + 3 })).toEqual({
    written: 'malformed',
    spans: [],
  });
  expect(write({ claimedBytes: 8 })).toEqual({ written: 'malformed', spans: [] });
  expect(write({ system: 9 })).toEqual({ written: 'malformed', spans: [] });
});
