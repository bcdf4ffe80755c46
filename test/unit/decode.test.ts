import { describe, expect, test } from 'vitest';
import { decode } from '../../src/probes/decode.ts';
import { EventHead } from '../../src/probes/layout.gen.ts';
import { newSlab } from '../../src/probes/slab.ts';
import { randomFrom } from '../fuzz/random.ts';
import { encodeRecord, plain, slabOfRecords } from './http-record.ts';

interface Head {
  readonly length: number;
  readonly probeId?: number;
  readonly pid?: number;
}

/** Heads at the given offsets. Everything else is zero. */
function slabWithHeads(byteLength: number, heads: Readonly<Record<number, Head>>) {
  const slab = newSlab(byteLength);
  const view = new DataView(slab.bytes.buffer);
  for (const [offset, { length, probeId = 1, pid = 7 }] of Object.entries(heads)) {
    view.setUint32(Number(offset) + EventHead.len, length, true);
    view.setUint16(Number(offset) + EventHead.kind, 0xabcd, true);
    view.setUint16(Number(offset) + EventHead.probeId, probeId, true);
    view.setUint32(Number(offset) + EventHead.pid, pid, true);
  }
  return slab;
}

function decoded(slab: ReturnType<typeof newSlab>, length: number) {
  const records: [at: number, pid: number, probeId: number][] = [];
  const rest = decode(slab, length, (...record) => records.push(record));
  return { records, rest };
}

test('records lie at 8-byte boundaries, whatever their length', () => {
  const slab = slabWithHeads(128, {
    0: { length: 24 },
    24: { length: 25, probeId: 2, pid: 8 },
    56: { length: 72, probeId: 3 },
  });
  expect(decoded(slab, 128)).toEqual({
    records: [
      [0, 7, 1],
      [24, 8, 2],
      [56, 7, 3],
    ],
    rest: 0,
  });
});

test('the probe id does not take in the kind next to it; a pid of 32 bits stays positive', () => {
  const slab = slabWithHeads(24, { 0: { length: 24, probeId: 0xffff, pid: 0xffffffff } });
  expect(decoded(slab, 24).records).toEqual([[0, 0xffffffff, 0xffff]]);
});

test('nothing in nothing', () => {
  expect(decoded(newSlab(64), 0)).toEqual({ records: [], rest: 0 });
});

test('the last record need not be padded', () => {
  expect(decoded(slabWithHeads(32, { 0: { length: 29 } }), 29)).toMatchObject({ records: [[0, 7, 1]], rest: 0 });
});

describe('what is no record ends it, and its bytes are told', () => {
  const first = { 0: { length: 32 } };

  test.each([
    ['a length of zero', { length: 0 }],
    ['a length below a head', { length: EventHead.size - 1 }],
    ['a length beyond the end', { length: 33 }],
    ['the largest length', { length: 0xffffffff }],
  ])('%s', (_what, head) => {
    expect(decoded(slabWithHeads(64, { ...first, 32: head }), 64)).toEqual({ records: [[0, 7, 1]], rest: 32 });
  });

  test('a tail too short for a head', () => {
    expect(decoded(slabWithHeads(64, first), 32 + EventHead.size - 1)).toEqual({
      records: [[0, 7, 1]],
      rest: EventHead.size - 1,
    });
  });

  test('a slab cut anywhere gives the whole records before the cut', () => {
    const records = [plain, { ...plain, target: `/${'x'.repeat(99)}` }, plain];
    const { slab, length } = slabOfRecords(...records);
    const ends: number[] = [];
    for (const record of records) {
      const { length: padded, buffer } = encodeRecord(record);
      const unpadded = new DataView(buffer).getUint32(EventHead.len, true);
      ends.push((ends.length ? Math.ceil(ends.at(-1)! / 8) * 8 : 0) + unpadded);
      expect(Math.ceil(unpadded / 8) * 8).toBe(padded);
    }
    for (let cut = 0; cut <= length; cut++) {
      expect(decoded(slab, cut).records).toHaveLength(ends.filter((end) => end <= cut).length);
    }
  });
});

test('any bytes whatever: no throw, no endless loop, no record outside', () => {
  const slab = newSlab(4096);
  for (let seed = 1; seed <= 400; seed++) {
    const random = randomFrom(seed);
    for (let i = 0; i < slab.words.length; i++) slab.words[i] = random.below(2 ** 32);
    // Lengths that go on, so that more than the first record is reached.
    for (let at = 0; at + EventHead.size < 4096; at += 8) {
      if (random.below(3) > 0) slab.words[(at + EventHead.len) >> 2] = random.below(200);
    }
    const length = random.below(4097);
    let end = 0;
    const rest = decode(slab, length, (at) => {
      expect(at % 8).toBe(0);
      expect(at).toBeGreaterThanOrEqual(end);
      end = at + slab.words[(at + EventHead.len) >> 2]!;
      expect(end).toBeLessThanOrEqual(length);
    });
    expect(rest).toBeGreaterThanOrEqual(0);
    expect(rest).toBeLessThanOrEqual(length);
  }
});
