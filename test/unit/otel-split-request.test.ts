import { expect, test } from 'vitest';
import { type Resource, SpanKind } from '../../src/contract/span.ts';
import { BufferPool } from '../../src/otel/buffer-pool.ts';
import type { EncodedSpans } from '../../src/otel/encoded-spans.ts';
import { type ExportRequest, ExportRequestBuilder } from '../../src/otel/export-request.ts';
import { OtlpSpanWriter } from '../../src/otel/otlp-span-writer.ts';
import { splitRequest } from '../../src/otel/split-request.ts';
import { decodeExportRequest } from '../support/otlp-decode.ts';
import { slabWith } from '../support/otlp-slab.ts';

const scope = { name: 'uspan', version: '1.2.3', schemaUrl: 'https://opentelemetry.io/schemas/1.45.0' };
const { slab } = slabWith({});
const resources: Resource[] = ['shop', 'cart', 'stock'].map((name) => ({ attributes: { 'service.name': name } }));

/** A request with `spans[i]` spans of the resource i. */
function requestOf(spans: readonly number[]): ExportRequest {
  const batches: EncodedSpans[] = [];
  const limits = { maxBatchSpans: 1e6, maxBatchBytes: 1e7, maxOpenBytes: 1e8 };
  const writer = new OtlpSpanWriter((batch) => batches.push(batch), limits, new BufferPool(0));
  spans.forEach((count, i) => {
    for (let n = 0; n < count; n++) {
      writer.begin(slab, 0, resources[i]!, SpanKind.server);
      writer.nameText(`${i}.${n}`);
      writer.end();
    }
  });
  writer.flush();
  return new ExportRequestBuilder(scope).build(batches);
}

test.each([[[2]], [[3]], [[1, 1]], [[5, 2]], [[2, 5, 1]], [[100, 0, 101]]])(
  'spans of each resource: %j. Both halves have whole spans, in their order, with resource and scope',
  (spans) => {
    const request = requestOf(spans);
    const whole = decodeExportRequest(request.bytes);
    const halves = splitRequest(request);
    expect(halves.flatMap(({ bytes }) => decodeExportRequest(bytes))).toEqual(whole);
    expect(halves.map((half) => half.spans)).toEqual([Math.ceil(whole.length / 2), Math.floor(whole.length / 2)]);
    for (const half of halves) expect(decodeExportRequest(half.bytes)).toHaveLength(half.spans);
    // A pool reuses the whole buffer of what was sent.
    for (const { bytes } of halves) expect(bytes.buffer.byteLength).toBe(bytes.length);
  },
);
