/** node:sqlite spans against the stable database conventions, https://opentelemetry.io/docs/specs/semconv/database/. */
import { expect, test } from 'vitest';
import { SpanKind, StatusCode } from '../../src/contract/span.ts';
import { ObjectSpanWriter } from '../../src/otel/object-span-writer.ts';
import type { SpanObject } from '../../src/otel/span-object.ts';
import { nodeSqlite } from '../../src/probes/definitions/node/sqlite.ts';
import { EventKind, NodeSqliteField as Field, FieldHead, SpanHead, SqlOperation } from '../../src/probes/layout.gen.ts';
import { slabOf } from '../support/otlp-slab.ts';
import { encodeSpanRecord } from '../support/span-record.ts';

interface Values {
  readonly sql: string;
  readonly resultCode?: number;
  readonly prepare?: boolean;
  readonly cut?: boolean;
  readonly unreadable?: boolean;
  readonly claimedBytes?: number;
}

/** A record as bpf/node/node_sqlite.bpf.c sends it. */
function record({ sql, resultCode = 0, prepare = false, cut, unreadable, claimedBytes }: Values) {
  const fields = [
    ...(resultCode === 0 ? [] : [{ field: Field.RESULT_CODE, value: resultCode }]),
    ...(prepare ? [{ field: Field.OPERATION, value: SqlOperation.OP_PREPARE }] : []),
    { field: Field.STATEMENT, value: Buffer.from(sql), cut, unreadable },
  ];
  return slabOf(encodeSpanRecord({ kind: EventKind.NODE_SQLITE, fields, claimedBytes }));
}

const resource = { attributes: { 'service.name': 'app' } };

function spanOf(values: Values): SpanObject {
  const spans: SpanObject[] = [];
  const writer = new ObjectSpanWriter((span) => spans.push(span));
  expect(nodeSqlite.write(record(values), 0, resource, writer)).toBe('client');
  return spans[0]!;
}

test('a statement, without its literals', () => {
  const span = spanOf({ sql: "SELECT name FROM tea WHERE id = 3 AND kind = 'green'" });
  expect(span).toMatchObject({ name: 'SELECT tea', kind: SpanKind.client, status: { code: StatusCode.unset } });
  expect(span.attributes).toEqual({
    'db.system.name': 'sqlite',
    'db.query.text': 'SELECT name FROM tea WHERE id = ? AND kind = ?',
    'db.query.summary': 'SELECT tea',
    'db.operation.name': 'SELECT',
    'db.collection.name': 'tea',
  });
});

test('one that fails', () => {
  const span = spanOf({ sql: 'INSERT INTO tea VALUES (1)', resultCode: 1555 });
  expect(span.status.code).toBe(StatusCode.error);
  expect(span.attributes).toMatchObject({ 'db.response.status_code': '1555', 'error.type': '1555' });
});

test('one that can’t be prepared', () => {
  const span = spanOf({ sql: 'SELECT * FROM coffee', resultCode: 1, prepare: true });
  expect(span).toMatchObject({ name: 'PREPARE coffee', status: { code: StatusCode.error } });
  expect(span.attributes).toMatchObject({ 'db.operation.name': 'PREPARE', 'db.response.status_code': '1' });
});

test('what was cut, and what could not be read', () => {
  const cut = spanOf({ sql: "SELECT 'sec", cut: true });
  expect(cut.attributes).toMatchObject({ 'db.query.text': 'SELECT ?', 'uspan.truncated': 'db.query.text' });
  const unreadable = spanOf({ sql: '', unreadable: true });
  expect(unreadable).toMatchObject({ name: 'sqlite', attributes: { 'uspan.unreadable': 'db.query.text' } });
});

test('a text that does not fit its record', () => {
  const writer = new ObjectSpanWriter(() => expect.unreachable());
  const slab = record({ sql: 'SELECT 1', claimedBytes: SpanHead.size + FieldHead.size + 4 });
  expect(nodeSqlite.write(slab, 0, resource, writer)).toBe('malformed');
});
