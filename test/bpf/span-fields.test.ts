/** What the common life of a span makes of its fields: copied at once, late, cut, unreadable, or more than a record holds. */
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import type { BpfObject, RingBuffer } from '../../native/native.d.ts';
import { Constant, EventKind, SpanHead } from '../../src/probes/layout.gen.ts';
import { newSlab } from '../../src/probes/slab.ts';
import { SpanRecord } from '../../src/probes/span-record.ts';
import { randomFrom } from '../fuzz/random.ts';
import { describeKernel } from '../kernel/native-fixture.ts';
import { openBpfTest, runCase } from './bpf-case.ts';
import { UserMemory } from './user-memory.ts';

interface Text {
  readonly field: number;
  readonly bytes: number;
  readonly max?: number;
  /** Its memory is not there. */
  readonly unreadable?: boolean;
  /** Its NUL gives its length. */
  readonly string?: boolean;
}

/** `struct fields_case` of span_fields.bpf.c. */
const maxTexts = 12;
const textBytes = 32;
const caseBytes = maxTexts * textBytes + 8;
const numberField = 31;
const longest = Constant.STATEMENT_MAX_BYTES;
const number = 4_000_000_000;

describeKernel('fields of a record', () => {
  let object: BpfObject;
  let ring: RingBuffer;
  let memory: UserMemory;
  beforeAll(() => {
    object = openBpfTest('span_fields');
    ring = object.ring('spans');
  });
  afterAll(async () => {
    ring.close();
    await object.close();
  });
  beforeEach(() => {
    memory = new UserMemory(600);
  });
  afterEach(() => memory.close());

  function send(texts: readonly Text[]) {
    const input = new Uint8Array(caseBytes);
    const view = new DataView(input.buffer);
    const contents = texts.map(({ field, bytes, max = longest, unreadable, string = false }, i) => {
      const content = Buffer.alloc(bytes, 0x61 + (field % 26));
      if (bytes > 0) content.writeUInt8(0x30 + (bytes % 10), bytes - 1);
      const at = memory.allocate(bytes + 1);
      memory.write(at, Buffer.concat([content, Buffer.alloc(1)]));
      view.setBigUint64(i * textBytes, unreadable ? 0x10n : at, true);
      view.setBigUint64(i * textBytes + 8, BigInt(bytes), true);
      view.setUint32(i * textBytes + 16, max, true);
      view.setUint32(i * textBytes + 20, field, true);
      view.setUint32(i * textBytes + 24, string ? 1 : 0, true);
      return content;
    });
    view.setUint32(maxTexts * textBytes, texts.length, true);
    view.setUint32(maxTexts * textBytes + 4, number, true);
    runCase(object, 'test_put', input);
    const slab = newSlab(1 << 16);
    const length = ring.drain(slab.bytes);
    const record = new SpanRecord();
    expect(length).toBeGreaterThanOrEqual(SpanHead.size);
    expect(record.read(slab, 0)).toBe(true);
    expect(slab.words[SpanHead.headKind >> 2]).toBe((5 << 16) | EventKind.SQL);
    expect(record.number(numberField)).toBe(number);
    const text = (field: number) =>
      record.has(field)
        ? Buffer.from(slab.bytes.subarray(record.at(field), record.at(field) + record.length(field)))
        : undefined;
    return { record, contents, text, length };
  }

  test('texts of every length up to the longest that a record keeps, and beyond, arrive whole', () => {
    const lengths = [
      1, 2, 3, 4, 15, 16, 17, 63, 64, 65, 127, 128, 129, 255, 256, 257, 383, 384, 385, 511, 512, 513, 656,
    ];
    for (const bytes of [...lengths, 1000, 4096, 8192]) {
      const { text, contents, record } = send([{ field: 0, bytes }]);
      expect(text(0), `${bytes}`).toEqual(contents[0]);
      expect([record.cut, record.unreadable]).toEqual([0, 0]);
    }
  });

  test('strings of every length, too, with what cuts them exactly', () => {
    const lengths = [
      0, 1, 2, 3, 4, 61, 62, 63, 64, 65, 257, 258, 259, 260, 382, 383, 384, 509, 510, 511, 512, 513, 656,
    ];
    for (const bytes of [...lengths, 1000, 4096, 8191, 8192]) {
      for (const max of [bytes + 1, bytes, bytes - 1].filter((each) => each > 0 && each <= longest)) {
        const { text, contents, record } = send([{ field: 3, bytes, max, string: true }]);
        expect(text(3), `${bytes} of ${max}`).toEqual(contents[0]!.subarray(0, max));
        expect([record.cut, record.unreadable], `${bytes} of ${max}`).toEqual([max < bytes ? 1 << 3 : 0, 0]);
      }
    }
  });

  test('strings behind one another, whole wherever they find room', () => {
    const random = randomFrom(12);
    for (let round = 0; round < 300; round++) {
      const texts = Array.from({ length: 1 + random.below(5) }, (_, field) => ({
        field,
        bytes: random.below(random.pick([20, 200, 2000])),
        string: true,
      }));
      const { text, contents, record } = send(texts);
      for (const { field } of texts) expect(text(field), JSON.stringify(texts)).toEqual(contents[field]);
      expect([record.cut, record.unreadable]).toEqual([0, 0]);
    }
  });

  test('a string that cannot be read is marked and has no bytes', () => {
    const { text, contents, record } = send([
      { field: 1, bytes: 30, unreadable: true, string: true },
      { field: 2, bytes: 30, string: true },
    ]);
    expect([text(1), text(2)]).toEqual([Buffer.alloc(0), contents[1]]);
    expect(record.unreadable).toBe(1 << 1);
  });

  test('any mix of a few texts arrives whole, in the record or late', () => {
    const random = randomFrom(11);
    for (let round = 0; round < 300; round++) {
      const texts = Array.from({ length: 1 + random.below(5) }, (_, field) => ({
        field,
        bytes: 1 + random.below(random.pick([20, 200, 2000])),
      }));
      const { text, contents, record } = send(texts);
      for (const { field } of texts) expect(text(field), JSON.stringify(texts)).toEqual(contents[field]);
      expect([record.cut, record.unreadable]).toEqual([0, 0]);
    }
  });

  test('a text beyond its limit is cut and marked', () => {
    const { text, contents, record } = send([
      { field: 1, bytes: 300, max: 100 },
      { field: 2, bytes: 3000, max: 2000 },
      { field: 3, bytes: 100, max: 100 },
    ]);
    expect(text(1)).toEqual(contents[0]!.subarray(0, 100));
    expect(text(2)).toEqual(contents[1]!.subarray(0, 2000));
    expect(text(3)).toEqual(contents[2]);
    expect(record.cut).toBe((1 << 1) | (1 << 2));
  });

  test('a text that cannot be read is marked and has no bytes, now or late', () => {
    const { text, contents, record } = send([
      { field: 1, bytes: 30, unreadable: true },
      { field: 2, bytes: 3000, unreadable: true },
      { field: 3, bytes: 30 },
    ]);
    expect([text(1), text(2), text(3)]).toEqual([Buffer.alloc(0), Buffer.alloc(0), contents[2]]);
    expect(record.unreadable).toBe((1 << 1) | (1 << 2));
  });

  test('more than a buffer holds: the last are cut, and nothing goes over another', () => {
    const texts = [1, 2, 3, 4].map((field) => ({ field, bytes: 8192 }));
    const { text, contents, record, length } = send(texts);
    expect(length).toBeLessThanOrEqual(Constant.LARGE_BYTES);
    expect(text(1)).toEqual(contents[0]);
    for (const field of [2, 3, 4]) {
      const kept = text(field)!;
      expect(kept).toEqual(contents[field - 1]!.subarray(0, kept.length));
    }
    expect(text(2)!.length).toBeGreaterThan(7000);
    expect(record.cut).toBe((1 << 2) | (1 << 3) | (1 << 4));
  });

  test('more late texts than a record keeps in mind: the surplus is marked', () => {
    const texts = Array.from({ length: 6 }, (_, field) => ({ field, bytes: 700 }));
    const { text, contents, record } = send(texts);
    for (let field = 0; field < Constant.LATE_TEXTS; field++) expect(text(field)).toEqual(contents[field]);
    expect(record.unreadable).toBe((1 << 4) | (1 << 5));
  });
});
