/** How fields are found in a record (bpf/events/record.h), for all sources. */
import { describe, expect, test } from 'vitest';
import { EventKind } from '../../src/probes/layout.gen.ts';
import { SpanRecord } from '../../src/probes/span-record.ts';
import { slabOf } from '../support/otlp-slab.ts';
import { encodeSpanRecord } from '../support/span-record.ts';

describe('a text that was cut inside a character ends at the character before', () => {
  const read = (value: Uint8Array, cut: boolean) => {
    const slab = slabOf(encodeSpanRecord({ kind: EventKind.HTTP_SERVER, fields: [{ field: 3, value, cut }] }));
    const record = new SpanRecord();
    expect(record.read(slab, 0)).toBe(true);
    return Buffer.from(slab.bytes.subarray(record.at(3), record.at(3) + record.length(3)));
  };

  test.each(['é', '€', '😀', '中文', 'a'])('%s', (character) => {
    const whole = Buffer.from(`text ${character}`);
    for (let length = 0; length <= whole.length; length++) {
      const part = whole.subarray(0, length);
      const text = new TextDecoder().decode(part).replace(/\ufffd+$/, '');
      expect(read(part, true).toString()).toBe(text);
      // What was not cut is as the program has it.
      expect(read(part, false)).toEqual(part);
    }
  });

  test('bytes that are no UTF-8 stay, unless they could be the start of a character', () => {
    for (const bytes of [[0xff], [0x80, 0x80, 0x80, 0x80], [0x41, 0x80], [0xc3, 0x41], [0xf8, 0x80]]) {
      expect([...read(Uint8Array.from(bytes), true)]).toEqual(bytes);
    }
    expect(read(Uint8Array.of(0x41, 0xe9), true).toString()).toBe('A');
  });
});
