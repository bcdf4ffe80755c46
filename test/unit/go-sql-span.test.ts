/** Go database/sql spans against the stable database conventions, https://opentelemetry.io/docs/specs/semconv/database/. */
import { describe, expect, test } from 'vitest';
import { SpanKind, StatusCode } from '../../src/contract/span.ts';
import { ObjectSpanWriter } from '../../src/otel/object-span-writer.ts';
import type { SpanObject } from '../../src/otel/span-object.ts';
import { goSql } from '../../src/probes/definitions/go/sql.ts';
import {
  EventKind,
  SqlField as Field,
  GoErrorField,
  SpanHead,
  SqlOperation,
  SqlSystem,
} from '../../src/probes/layout.gen.ts';
import { slabOf } from '../support/otlp-slab.ts';
import { encodeSpanRecord, type RecordField } from '../support/span-record.ts';

interface Values {
  readonly statement?: string;
  /** What is read of an error of a known type: its index among them. */
  readonly known?: number;
  readonly errorType?: string;
  readonly message?: string;
  readonly status?: string;
  readonly statusNumber?: number;
  readonly failed?: boolean;
  readonly system?: number;
  readonly operation?: number;
  readonly cut?: readonly number[];
  readonly unreadable?: readonly number[];
  readonly claimedBytes?: number;
}

/** A record as bpf/go/go_sql.bpf.c sends it. */
function record(values: Values) {
  const { cut = [], unreadable = [], failed = false, known = 0 } = values;
  const text = (field: number, value: string | undefined): RecordField[] =>
    value || unreadable.includes(field)
      ? [{ field, value: value ?? '', cut: cut.includes(field), unreadable: unreadable.includes(field) }]
      : [];
  const number = (field: number, value: number | undefined): RecordField[] => (value ? [{ field, value }] : []);
  return slabOf(
    encodeSpanRecord({
      kind: EventKind.SQL,
      claimedBytes: values.claimedBytes,
      fields: [
        { field: Field.SYSTEM, value: values.system ?? SqlSystem.POSTGRESQL },
        ...number(Field.OPERATION, values.operation),
        ...text(Field.STATEMENT, values.statement),
        ...(failed ? [{ field: GoErrorField.KNOWN, value: known }] : []),
        ...text(GoErrorField.TYPE, values.errorType),
        ...text(GoErrorField.MESSAGE, values.message),
        ...text(GoErrorField.STATUS, values.status),
        ...number(GoErrorField.STATUS_NUMBER, values.statusNumber),
      ],
    }),
  );
}

/** Indexes among the known types. */
const errorString = 5;
const pqError = 30;
const mysqlError = 33;

const resource = { attributes: { 'service.name': 'shop' } };

function write(values: Values) {
  const spans: SpanObject[] = [];
  const written = goSql.write(record(values), 0, resource, new ObjectSpanWriter((span) => spans.push(span)));
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
    expect(failed({ known: pqError, status: '23505' })).toEqual(['23505', '23505']);
    expect(failed({ known: mysqlError, statusNumber: 1062 })).toEqual(['1062', '1062']);
  });

  test('else by the type of the error, or its name', () => {
    expect(failed({ errorType: '*main.refusal' })).toEqual(['*main.refusal', undefined]);
    expect(failed({ known: 1 })).toEqual(['*net.OpError', undefined]);
    expect(failed({ known: pqError })).toEqual(['*pq.Error', undefined]);
    // It has the same name as in a client's call.
    expect(failed({ known: errorString, message: 'context canceled' })[0]).toBe('canceled');
    expect(failed({ known: errorString, message: 'driver: bad connection' })[0]).toBe('driver.ErrBadConn');
    expect(failed({})).toEqual(['_OTHER', undefined]);
  });

  test('no message is told', () => {
    const { attributes } = spanOf({ failed: true, known: errorString, message: 'no such user: secret' });
    expect(attributes['error.type']).toBe('*errors.errorString');
    expect(JSON.stringify(attributes)).not.toContain('secret');
  });
});

test('what was cut or could not be read is marked', () => {
  const cut = spanOf({ statement: "INSERT INTO t VALUES ('sec", cut: [Field.STATEMENT] });
  expect(cut.attributes).toMatchObject({
    'db.query.text': 'INSERT INTO t VALUES (?',
    'uspan.truncated': 'db.query.text',
  });
  const { name, attributes } = spanOf({ unreadable: [Field.STATEMENT] });
  expect([name, attributes]).toEqual([
    'postgresql',
    { 'db.system.name': 'postgresql', 'uspan.unreadable': 'db.query.text' },
  ]);
  // Other texts say nothing, because they are not exported.
  const error = spanOf({
    statement: 'SELECT 1',
    failed: true,
    known: errorString,
    message: 'a',
    cut: [GoErrorField.MESSAGE],
  });
  expect(error.attributes).not.toHaveProperty('uspan.truncated');
});

test('texts that do not fit, and a system nobody knows, make no span', () => {
  expect(write({ statement: 'SELECT 1', claimedBytes: SpanHead.size + 3 })).toEqual({
    written: 'malformed',
    spans: [],
  });
  expect(write({ claimedBytes: 8 })).toEqual({ written: 'malformed', spans: [] });
  expect(write({ system: 9 })).toEqual({ written: 'malformed', spans: [] });
});
