/**
 * Encoding cost of a span with 10 attributes: uspan's writer from a slab, against the official serializer from existing span objects
 * (without the cost of making those). Both results are decoded and compared first.
 *
 *     node bench/otlp-encode.ts [rounds]
 */
import { deepStrictEqual } from 'node:assert/strict';
import type { HrTime } from '@opentelemetry/api';
import { ProtobufTraceSerializer } from '@opentelemetry/otlp-transformer';
import { attributeKey } from '../src/contract/attribute-key.ts';
import { type Resource, type Slab, SpanKind } from '../src/contract/span.ts';
import { spanHead } from '../src/contract/span-head.ts';
import { BufferPool } from '../src/otel/buffer-pool.ts';
import type { EncodedSpans } from '../src/otel/encoded-spans.ts';
import { ExportRequestBuilder } from '../src/otel/export-request.ts';
import { OtlpSpanWriter } from '../src/otel/otlp-span-writer.ts';
import { decodeExportRequest } from '../test/support/otlp-decode.ts';
import { putSpanHead, slabOf } from '../test/support/otlp-slab.ts';

type ReadableSpan = Parameters<typeof ProtobufTraceSerializer.serializeRequest>[0][number];

const batchSpans = 1000;
const rounds = Number(process.argv[2] ?? 400);
const scope = { name: 'uspan', version: '0.1.0', schemaUrl: 'https://opentelemetry.io/schemas/1.45.0' };
const resource: Resource = { attributes: { 'service.name': 'shop' } };
const offsetNs = 1_700_000_000_000_000_000n;
const startKtimeNs = 123_456_789_012_345n;
const texts = {
  'http.request.method': 'GET',
  'url.path': '/api/items/1234567/reviews',
  'url.scheme': 'http',
  'http.route': '/api/items/{id}/reviews',
  'server.address': 'shop.example.com',
  'network.peer.address': '10.12.14.16',
  'network.protocol.version': '1.1',
  'user_agent.original': 'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko)',
};
const ints = { 'http.response.status_code': 200, 'server.port': 8080 };

// Texts from the slab, in the order of `texts`, with one record of 512 bytes per span.
const recordBytes = 512;
const slab = slabOf(new Uint8Array(batchSpans * recordBytes));
const textRanges: { key: ReturnType<typeof attributeKey>; offset: number; length: number }[] = [];
let offset = spanHead.bytes;
for (const [key, value] of Object.entries(texts)) {
  textRanges.push({ key: attributeKey(key), offset, length: value.length });
  for (let at = 0; at < slab.bytes.length; at += recordBytes) slab.bytes.set(Buffer.from(value), at + offset);
  offset += Math.ceil(value.length / 8) * 8;
}
const intKeys = Object.entries(ints).map(([key, value]) => ({ key: attributeKey(key), value }));
for (let i = 0; i < batchSpans; i++) {
  const spanId = (i + 1).toString(16).padStart(16, '0');
  putSpanHead(slab, i * recordBytes, { startKtimeNs, endKtimeNs: startKtimeNs + 2_000_000n, spanId, flags: 0x101 });
}

function writeOurs(from: Slab, writer: OtlpSpanWriter): void {
  for (let i = 0; i < batchSpans; i++) {
    const at = i * recordBytes;
    writer.begin(from, at, resource, SpanKind.server);
    writer.nameText('GET ');
    writer.nameBytes(from, at + textRanges[3]!.offset, textRanges[3]!.length);
    for (let t = 0; t < textRanges.length; t++) {
      const range = textRanges[t]!;
      writer.bytes(range.key, from, at + range.offset, range.length);
    }
    for (let t = 0; t < intKeys.length; t++) writer.int(intKeys[t]!.key, intKeys[t]!.value);
    writer.end();
  }
}

const hrTime = (unixNs: bigint): HrTime => [Number(unixNs / 1_000_000_000n), Number(unixNs % 1_000_000_000n)];
const officialResource = { attributes: resource.attributes, schemaUrl: scope.schemaUrl, getRawAttributes: () => [] };
const officialSpans = Array.from({ length: batchSpans }, (_, i) => {
  const spanId = (i + 1).toString(16).padStart(16, '0');
  const context = { traceId: '0af7651916cd43dd8448eb211c80319c', spanId, traceFlags: 1 };
  return {
    name: `GET ${texts['http.route']}`,
    kind: 1, // SpanKind.SERVER of the API; OTLP's is one more
    spanContext: () => context,
    startTime: hrTime(startKtimeNs + offsetNs),
    endTime: hrTime(startKtimeNs + 2_000_000n + offsetNs),
    status: { code: 0 },
    attributes: { ...texts, ...ints },
    links: [],
    events: [],
    duration: [0, 2_000_000],
    ended: true,
    resource: officialResource,
    instrumentationScope: scope,
    droppedAttributesCount: 0,
    droppedEventsCount: 0,
    droppedLinksCount: 0,
  } as unknown as ReadableSpan;
});

const batches: EncodedSpans[] = [];
const limits = { maxBatchSpans: 4096, maxBatchBytes: 2 ** 21, maxOpenBytes: 2 ** 23 };
const pool = new BufferPool(limits.maxOpenBytes);
const writer = new OtlpSpanWriter((batch) => void batches.push(batch), limits, pool);
writer.setClockOffsetNs(offsetNs);
const builder = new ExportRequestBuilder(scope, pool);

/** The bytes are valid until the next call, as if they had been sent. */
function ours(): Uint8Array {
  writeOurs(slab, writer);
  writer.flush();
  const { bytes } = builder.build(batches.splice(0));
  pool.give(bytes);
  return bytes;
}

function official(): Uint8Array {
  return ProtobufTraceSerializer.serializeRequest(officialSpans)!;
}

/** Time per span over the rounds, in ns: the best round, which other load disturbs least, and the median. */
function nsPerSpan(encode: () => Uint8Array): string {
  const times: number[] = [];
  for (let round = 0; round < rounds; round++) {
    const from = process.hrtime.bigint();
    encode();
    times.push(Number(process.hrtime.bigint() - from) / batchSpans);
  }
  times.sort((a, b) => a - b);
  return `${times[0]!.toFixed(0).padStart(6)} best ${times[rounds >> 1]!.toFixed(0).padStart(6)} median`;
}

const comparable = (bytes: Uint8Array) => decodeExportRequest(bytes).map(({ resource: _, ...span }) => span);
deepStrictEqual(comparable(ours()), comparable(official()));

for (const [name, encode] of [
  ['uspan', ours],
  ['official', official],
  ['uspan', ours],
  ['official', official],
] as const) {
  const bytes = encode().length / batchSpans;
  console.log(`${name.padEnd(10)} ${nsPerSpan(encode)} ns/span ${bytes.toFixed(0).padStart(5)} bytes/span`);
}
