import { expect, test } from 'vitest';
import { attributeKey } from '../../src/contract/attribute-key.ts';
import { type Resource, SpanKind, StatusCode } from '../../src/contract/span.ts';
import type { EncodedSpans } from '../../src/otel/encoded-spans.ts';
import { ExportRequestBuilder } from '../../src/otel/export-request.ts';
import { ObjectSpanWriter } from '../../src/otel/object-span-writer.ts';
import { maxNameBytes, OtlpSpanWriter } from '../../src/otel/otlp-span-writer.ts';
import type { SpanObject } from '../../src/otel/span-object.ts';
import { TeeSpanWriter } from '../../src/otel/tee-span-writer.ts';
import { type DecodedSpan, decodeExportRequest } from '../support/otlp-decode.ts';
import { seededRandom, writeRandomSpan } from '../support/otlp-random.ts';
import { slabWith } from '../support/otlp-slab.ts';

const scope = { name: 'uspan', version: '1.2.3', schemaUrl: 'https://opentelemetry.io/schemas/1.45.0' };
const shop: Resource = {
  attributes: { 'service.name': 'shop', 'process.pid': 4242, tags: ['a', 'ß'], ratio: 0.5, on: true },
};
const cart: Resource = { attributes: { 'service.name': 'cart', 'process.pid': -1, big: Number.MAX_SAFE_INTEGER } };
const key = attributeKey('k');
const roomy = { maxBatchSpans: 1e6, maxBatchBytes: 1e9, maxOpenBytes: 1e9 };

/** Writes with both writers at once. Gives what the official protobuf code makes of the bytes, and the objects. */
function write(spans: (writer: TeeSpanWriter) => void, limits = roomy) {
  const batches: EncodedSpans[] = [];
  const objects: SpanObject[] = [];
  const otlp = new OtlpSpanWriter((batch) => batches.push(batch), limits);
  const tee = new TeeSpanWriter(otlp, new ObjectSpanWriter((span) => objects.push(span)));
  spans(tee);
  otlp.flush();
  return { batches, objects, decoded: decodeExportRequest(new ExportRequestBuilder(scope).build(batches).bytes) };
}

/** The object as a collector would see it. */
function asDecoded({ resource, ...span }: SpanObject): DecodedSpan {
  return {
    ...span,
    attributes: { ...span.attributes },
    resource: { ...resource.attributes } as DecodedSpan['resource'],
    scope,
  };
}

test('OTLP bytes say what objects say, by the official protobuf, for random spans', () => {
  for (let seed = 1; seed <= 40; seed++) {
    const random = seededRandom(seed);
    const { objects, decoded } = write((writer) => {
      writer.setClockOffsetNs(BigInt(Math.floor(random() * 2 ** 32)) * 400_000_000n + 3_999_999_999n);
      for (let i = 0; i < 50; i++) writeRandomSpan(random, [shop, cart], writer);
    });
    for (const resource of [shop, cart]) {
      const service = resource.attributes['service.name'];
      expect(decoded.filter((span) => span.resource['service.name'] === service)).toEqual(
        objects.filter((span) => span.resource === resource).map(asDecoded),
      );
    }
    expect(decoded).toHaveLength(50);
  }
});

test('a span is complete: ids, flags, time, name, attributes, status, resource and scope', () => {
  const { slab, textAt } = slabWith(
    {
      traceId: '0af7651916cd43dd8448eb211c80319c',
      spanId: 'b7ad6b7169203331',
      parentSpanId: '00f067aa0ba902b7',
      flags: 0x301,
      startKtimeNs: 0xffff_fff0n,
      endKtimeNs: 0x1_0000_0010n,
    },
    '/items/7congo=t61rcWkgMzE',
  );
  const { decoded } = write((writer) => {
    writer.setClockOffsetNs(1_700_000_000_123_456_789n);
    writer.begin(slab, 0, shop, SpanKind.server);
    writer.nameText('GET ');
    writer.nameBytes(slab, textAt, 8);
    writer.traceState(slab, textAt + 8, 17);
    writer.bytes(attributeKey('url.path'), slab, textAt, 8);
    writer.int(attributeKey('http.response.status_code'), 503);
    writer.bool(attributeKey('b'), false);
    writer.text(attributeKey('error.type'), '503');
    writer.status(StatusCode.error, 'broken');
    writer.end();
  });
  expect(decoded).toEqual([
    {
      traceId: '0af7651916cd43dd8448eb211c80319c',
      spanId: 'b7ad6b7169203331',
      parentSpanId: '00f067aa0ba902b7',
      traceState: 'congo=t61rcWkgMzE',
      flags: 0x301,
      name: 'GET /items/7',
      kind: 2,
      startUnixNs: 1_700_000_000_123_456_789n + 0xffff_fff0n,
      endUnixNs: 1_700_000_000_123_456_789n + 0x1_0000_0010n,
      attributes: { 'url.path': '/items/7', 'http.response.status_code': 503, b: false, 'error.type': '503' },
      status: { code: 2, message: 'broken' },
      resource: shop.attributes,
      scope,
    },
  ]);
});

test('an end before its start becomes the start', () => {
  for (const [startKtimeNs, endKtimeNs] of [
    [5n, 4n],
    [2n ** 33n, 2n ** 32n],
    [2n ** 33n + 5n, 2n ** 33n + 4n],
  ] as const) {
    const { decoded } = write((writer) => {
      writer.setClockOffsetNs(1n);
      writer.begin(slabWith({ startKtimeNs, endKtimeNs }).slab, 0, shop, SpanKind.server);
      writer.end();
    });
    expect(decoded[0]).toMatchObject({ startUnixNs: startKtimeNs + 1n, endUnixNs: startKtimeNs + 1n });
  }
});

test.each([
  ['a cut in the middle of a code point', [0x61, 0xe2, 0x82], 'a\ufffd'],
  ['a stray continuation byte', [0x80, 0x61], '\ufffda'],
  ['an encoded surrogate', [0xed, 0xa0, 0x80], '\ufffd\ufffd\ufffd'],
  ['an overlong slash', [0xc0, 0xaf], '\ufffd\ufffd'],
  ['a byte order mark, which is text', [0xef, 0xbb, 0xbf, 0x61], '\ufeffa'],
  ['good UTF-8', [0xc3, 0xbc], 'ü'],
])('bytes that are not UTF-8 never leave: %s', (_, bytes, text) => {
  const { slab, textAt, textLength } = slabWith({}, Uint8Array.from(bytes));
  const { decoded } = write((writer) => {
    writer.begin(slab, 0, shop, SpanKind.server);
    writer.nameBytes(slab, textAt, textLength);
    writer.traceState(slab, textAt, textLength);
    writer.bytes(key, slab, textAt, textLength);
    writer.end();
  });
  expect(decoded[0]).toMatchObject({ name: text, traceState: text, attributes: { k: text } });
});

test('a name longer than two length bytes can say is cut at a code point', () => {
  const { slab } = slabWith({});
  const { decoded, objects } = write((writer) => {
    writer.begin(slab, 0, shop, SpanKind.server);
    writer.nameText('é'.repeat(9000));
    writer.bool(key, true);
    writer.end();
  });
  expect(decoded[0]?.name).toBe('é'.repeat(Math.floor(maxNameBytes / 2)));
  expect(decoded.map((span) => span.attributes)).toEqual([{ k: true }]);
  expect(objects[0]?.name).toBe(decoded[0]?.name);
});

test('long texts and many attributes grow the buffer', () => {
  const { slab } = slabWith({});
  const long = 'x'.repeat(200_000);
  const { decoded } = write((writer) => {
    writer.begin(slab, 0, shop, SpanKind.server);
    for (let i = 0; i < 200; i++) writer.int(attributeKey(`many.${i}`), i);
    writer.text(key, long);
    writer.text(attributeKey('u'), `${long}ü`);
    writer.end();
  });
  expect(Object.keys(decoded[0]!.attributes)).toHaveLength(202);
  expect(decoded[0]?.attributes).toMatchObject({ k: long, u: `${long}ü`, 'many.199': 199 });
});

test('a span that was begun but never ended leaves no trace', () => {
  const { slab } = slabWith({});
  const { decoded } = write((writer) => {
    writer.begin(slab, 0, shop, SpanKind.server);
    writer.nameText('half');
    writer.text(key, 'x'.repeat(10_000));
    writer.begin(slab, 0, shop, SpanKind.client);
    writer.nameText('whole');
    writer.end();
    writer.end();
    writer.begin(slab, 0, cart, SpanKind.client);
  });
  expect(decoded.map((span) => span.name)).toEqual(['whole']);
});

test('batches keep their limits and lose nothing', () => {
  const { slab } = slabWith({});
  const spans = (writer: TeeSpanWriter) => {
    for (let i = 0; i < 1000; i++) {
      writer.begin(slab, 0, i % 3 ? shop : cart, SpanKind.server);
      writer.nameText(`span ${i}`);
      writer.text(key, 'x'.repeat(i % 97));
      writer.end();
    }
  };
  const bySpans = write(spans, { ...roomy, maxBatchSpans: 10 });
  expect(Math.max(...bySpans.batches.map((batch) => batch.spans))).toBe(10);
  const byBytes = write(spans, { ...roomy, maxBatchBytes: 5000 });
  expect(Math.max(...byBytes.batches.map((batch) => batch.bytes.length))).toBeLessThanOrEqual(5000);
  const byOpenBytes = write(spans, { ...roomy, maxOpenBytes: 20_000 });
  expect(byOpenBytes.batches.length).toBeGreaterThan(2);
  for (const { decoded, batches } of [bySpans, byBytes, byOpenBytes]) {
    expect(new Set(decoded.map((span) => span.name)).size).toBe(1000);
    expect(batches.reduce((sum, batch) => sum + batch.spans, 0)).toBe(1000);
  }
});

test('texts of every length and script are whole: short ones are copied by a loop, long ones by the platform', () => {
  const { slab } = slabWith({});
  const ends = ['', 'a', 'é', '中', '😀', '\ud83d', 'é中😀', '中'.repeat(40)];
  const texts = [0, 1, 29, 30, 31, 32, 33, 64, 127, 128, 300].flatMap((length) =>
    ends.flatMap((end) => [`${'x'.repeat(length)}${end}`, `${end}${'x'.repeat(length)}`]),
  );
  const { decoded } = write((writer) => {
    for (const [index, text] of texts.entries()) {
      writer.begin(slab, 0, index % 2 ? shop : cart, SpanKind.server);
      writer.nameText(text);
      writer.text(key, text);
      writer.status(StatusCode.error, text);
      writer.end();
    }
  });
  const found = [...decoded].map(({ name, attributes, status }) => [name, attributes.k, status.message]);
  const wellFormed = texts.map((text) => text.toWellFormed());
  expect(found.sort()).toEqual(wellFormed.map((text) => [text, text, text]).sort());
});
