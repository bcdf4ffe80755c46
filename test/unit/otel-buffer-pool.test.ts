import { expect, test } from 'vitest';
import { SpanKind } from '../../src/contract/span.ts';
import { BufferPool } from '../../src/otel/buffer-pool.ts';
import type { EncodedSpans } from '../../src/otel/encoded-spans.ts';
import { ExportRequestBuilder } from '../../src/otel/export-request.ts';
import { OtlpSpanWriter } from '../../src/otel/otlp-span-writer.ts';
import { decodeExportRequest } from '../support/otlp-decode.ts';
import { slabWith } from '../support/otlp-slab.ts';

test('a buffer given back is taken again, if it is neither too small nor more than twice as large', () => {
  const pool = new BufferPool(1000);
  const first = pool.take(100);
  expect(first).toHaveLength(100);
  pool.give(first.subarray(10, 20));
  expect(pool.take(101).buffer).not.toBe(first.buffer);
  expect(pool.take(49).buffer).not.toBe(first.buffer);
  const again = pool.take(50);
  expect(again.buffer).toBe(first.buffer);
  expect(again).toHaveLength(100);
  expect(pool.take(50).buffer).not.toBe(first.buffer);
});

test('idle buffers stay within the limit; the oldest goes first', () => {
  const pool = new BufferPool(250);
  const buffers = [100, 101, 102].map((length) => new Uint8Array(length));
  for (const bytes of buffers) pool.give(bytes);
  expect([pool.take(100), pool.take(100)].map((bytes) => bytes.length)).toEqual([102, 101]);
  pool.give(new Uint8Array(251));
  expect(pool.take(251).length).toBe(251);
});

test('of buffers that fit, the last one given back is taken', () => {
  const pool = new BufferPool(1000);
  const buffers = [100, 101].map((length) => new Uint8Array(length));
  for (const bytes of buffers) pool.give(bytes);
  expect(pool.take(100).buffer).toBe(buffers[1]!.buffer);
});

test('a buffer that nobody took between two trims is dropped', () => {
  const pool = new BufferPool(1000);
  const [unused, used] = [new Uint8Array(100), new Uint8Array(300)];
  pool.give(unused);
  pool.give(used);
  pool.trim();
  const again = pool.take(300);
  expect(again.buffer).toBe(used.buffer);
  pool.give(again);
  pool.trim();
  expect(pool.take(100).buffer).not.toBe(unused.buffer);
  expect(pool.take(300).buffer).toBe(used.buffer);
});

const scope = { name: 'uspan', version: '1', schemaUrl: 'https://opentelemetry.io/schemas/1.45.0' };
const { slab } = slabWith({});

/** Batches of the given numbers of spans, each of its own process. */
function batchesOf(pool: BufferPool, counts: readonly number[], serviceName = 'x'): EncodedSpans[] {
  const batches: EncodedSpans[] = [];
  const limits = { maxBatchSpans: 1e6, maxBatchBytes: 1e9, maxOpenBytes: 1e9 };
  const writer = new OtlpSpanWriter((batch) => batches.push(batch), limits, pool);
  for (const count of counts) {
    const resource = { attributes: { 'service.name': serviceName } };
    for (let i = 0; i < count; i++) {
      writer.begin(slab, 0, resource, SpanKind.server);
      writer.nameText(`${count} ${i}`);
      writer.end();
    }
  }
  writer.flush();
  return batches;
}

test('a request of one batch is built around its spans; several are copied', () => {
  const builder = new ExportRequestBuilder(scope, new BufferPool(0));
  const [one, ...others] = batchesOf(new BufferPool(0), [20, 3, 4]);
  const request = builder.build([one!]);
  expect(request.bytes.buffer).toBe(one!.bytes.buffer);
  expect(decodeExportRequest(request.bytes)).toHaveLength(20);
  const copied = builder.build(others);
  for (const batch of others) expect(copied.bytes.buffer).not.toBe(batch.bytes.buffer);
  expect(decodeExportRequest(copied.bytes)).toHaveLength(7);
});

test('a resource larger than the room in front of the spans is no obstacle', () => {
  const [batch] = batchesOf(new BufferPool(0), [5], 'n'.repeat(5000));
  const request = new ExportRequestBuilder(scope).build([batch!]);
  expect(request.bytes.buffer).not.toBe(batch!.bytes.buffer);
  expect(decodeExportRequest(request.bytes).map((span) => String(span.resource['service.name']).length)).toEqual(
    Array(5).fill(5000),
  );
});

test('what a used buffer still holds never shows in a request', () => {
  const pool = new BufferPool(1e6);
  const builder = new ExportRequestBuilder(scope, pool);
  for (const counts of [[300], [250, 200], [10, 280], [1], [400, 1, 1]]) {
    const batches = batchesOf(pool, counts);
    const request = builder.build(batches);
    const names = counts.flatMap((count) => Array.from({ length: count }, (_, i) => `${count} ${i}`));
    expect(decodeExportRequest(request.bytes).map((span) => span.name)).toEqual(names);
    for (const { bytes } of batches) pool.give(bytes.fill(0xff));
  }
});
