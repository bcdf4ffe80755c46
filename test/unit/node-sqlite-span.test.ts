/** node:sqlite spans against the stable database conventions, https://opentelemetry.io/docs/specs/semconv/database/. */
import { expect, test } from 'vitest';
import { SpanKind, StatusCode } from '../../src/contract/span.ts';
import { ObjectSpanWriter } from '../../src/otel/object-span-writer.ts';
import type { SpanObject } from '../../src/otel/span-object.ts';
import { writeNodeSqliteSpan } from '../../src/probes/definitions/node/sqlite-span.ts';
import { NodeSqliteEvent, SpanFlag } from '../../src/probes/layout.gen.ts';
import { putSpanHead, slabOf } from '../support/otlp-slab.ts';

interface Values {
  readonly sql: string;
  readonly resultCode?: number;
  readonly prepare?: boolean;
  readonly flags?: number;
  readonly claimedBytes?: number;
}

/** A record as bpf/node/node_sqlite.bpf.c sends it. */
function record({ sql, resultCode = 0, prepare = false, flags = 0, claimedBytes }: Values) {
  const text = Buffer.from(sql);
  const slab = slabOf(new Uint8Array((NodeSqliteEvent.size + text.length + 7) & ~7));
  putSpanHead(slab, 0, {});
  const view = new DataView(slab.bytes.buffer);
  view.setUint32(NodeSqliteEvent.spanHeadLen, claimedBytes ?? NodeSqliteEvent.size + text.length, true);
  view.setUint32(NodeSqliteEvent.spanSpanFlags, flags, true);
  view.setUint32(NodeSqliteEvent.resultCode, resultCode, true);
  view.setUint16(NodeSqliteEvent.textLen, text.length, true);
  view.setUint16(NodeSqliteEvent.prepare, prepare ? 1 : 0, true);
  slab.bytes.set(text, NodeSqliteEvent.size);
  return slab;
}

const resource = { attributes: { 'service.name': 'app' } };

function spanOf(values: Values): SpanObject {
  const spans: SpanObject[] = [];
  const writer = new ObjectSpanWriter((span) => spans.push(span));
  expect(writeNodeSqliteSpan(record(values), 0, resource, writer)).toBe('client');
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
  const cut = spanOf({ sql: "SELECT 'sec", flags: SpanFlag.CUT });
  expect(cut.attributes).toMatchObject({ 'db.query.text': 'SELECT ?', 'uspan.truncated': 'db.query.text' });
  const unreadable = spanOf({ sql: '', flags: SpanFlag.UNREADABLE });
  expect(unreadable).toMatchObject({ name: 'sqlite', attributes: { 'uspan.unreadable': 'db.query.text' } });
});

test('a text that does not fit its record', () => {
  const writer = new ObjectSpanWriter(() => expect.unreachable());
  const slab = record({ sql: 'SELECT 1', claimedBytes: NodeSqliteEvent.size + 4 });
  expect(writeNodeSqliteSpan(slab, 0, resource, writer)).toBe('malformed');
});
