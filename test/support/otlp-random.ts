import { attributeKey } from '../../src/contract/attribute-key.ts';
import type { Resource, SpanKind, StatusCode } from '../../src/contract/span.ts';
import { spanHead } from '../../src/contract/span-head.ts';
import type { ClockedSpanWriter } from '../../src/otel/clocked-span-writer.ts';
import { putSpanHead, slabOf } from './otlp-slab.ts';

/** Numbers in [0, 1) that are the same for the same seed (mulberry32). */
export function seededRandom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

const keys = Array.from({ length: 12 }, (_, i) => attributeKey(`random.key.${'x'.repeat(i * 10)}${i}`));
const texts = [
  '',
  'GET',
  '/items/{id}',
  'grüße',
  '東京',
  '🙂',
  'lone \ud800 surrogate',
  '\ufeffbom',
  'a\0b',
  'x'.repeat(300),
];

/** Writes a random span, with nasty bytes and extreme numbers. It does not flush. */
export function writeRandomSpan(random: () => number, resources: readonly Resource[], writer: ClockedSpanWriter): void {
  const below = (n: number): number => Math.floor(random() * n);
  const pick = <T>(items: readonly T[]): T => items[below(items.length)]!;
  const hex = (bytes: number): string =>
    Array.from({ length: bytes }, () => below(256).toString(16).padStart(2, '0')).join('');
  const u64 = (): bigint => (BigInt(below(2 ** 32)) << 32n) | BigInt(below(2 ** 32));

  const headAt = 8 * below(4);
  const tailAt = headAt + spanHead.bytes;
  const slab = slabOf(new Uint8Array(tailAt + 2048));
  const style = below(3);
  for (let i = tailAt; i < slab.bytes.length; i++) slab.bytes[i] = style === 0 ? 32 + below(95) : below(256);
  if (style === 2) slab.bytes.set(Buffer.from('añb日c🙂'.repeat(80)), tailAt);
  const startKtimeNs = u64() >> BigInt(2 + below(40));
  putSpanHead(slab, headAt, {
    startKtimeNs,
    endKtimeNs: startKtimeNs + BigInt(below(2 ** 34)) - BigInt(below(4) === 0 ? 2 ** 20 : 0) + 2n ** 20n,
    traceId: hex(16),
    spanId: hex(8),
    parentSpanId: below(3) === 0 ? '0000000000000000' : below(2) === 0 ? hex(8) : '0000000000000001',
    flags: pick([0, 1, 0x101, 0x301, 0xffff_ffff]),
  });
  const range = (): [from: number, length: number] => [tailAt + below(1000), pick([0, 1, 5, 127, 128, below(1000)])];

  writer.begin(slab, headAt, pick(resources), (1 + below(5)) as SpanKind);
  for (let pieces = below(4); pieces > 0; pieces--) {
    if (below(2) === 0) writer.nameText(pick(texts));
    else writer.nameBytes(slab, ...range());
  }
  if (below(4) === 0) writer.traceState(slab, ...range());
  for (const key of keys) {
    const kind = below(7);
    if (kind === 0) writer.text(key, pick(texts));
    else if (kind === 1) writer.bytes(key, slab, ...range());
    else if (kind === 2)
      writer.int(key, pick([0, 1, -1, 127, 128, 2 ** 31, -(2 ** 31), 2 ** 35 - 1, 2 ** 35, below(2 ** 48)]));
    else if (kind === 3)
      writer.int(key, pick([Number.MAX_SAFE_INTEGER, Number.MIN_SAFE_INTEGER, 2 ** 32 - 1, 2 ** 32]));
    else if (kind === 4) writer.bool(key, below(2) === 0);
    else if (kind === 5)
      writer.double(key, pick([0, -0.5, Math.PI, 1e308, 5e-324, Number.POSITIVE_INFINITY, below(2 ** 48)]));
  }
  if (below(2) === 0) writer.status(below(3) as StatusCode, below(2) === 0 ? pick(texts) : undefined);
  writer.end();
}
