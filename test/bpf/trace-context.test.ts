/** W3C Trace Context level 1 (https://www.w3.org/TR/trace-context/) and the standard samplers, as BPF does them. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { BpfObject } from '../../native/native.d.ts';
import { encodeProbeHead, type SamplerConfig } from '../../src/probes/attach/kernel-config.ts';
import { ProbeHead, SpanHead } from '../../src/probes/layout.gen.ts';
import { randomFrom } from '../fuzz/random.ts';
import { describeKernel } from '../kernel/native-fixture.ts';
import { openBpfTest, runCase } from './bpf-case.ts';

/** `struct trace_case` of trace_context.bpf.c. */
const layout = {
  probe: 0,
  span: ProbeHead.size,
  len: ProbeHead.size + SpanHead.size,
  parented: ProbeHead.size + SpanHead.size + 8,
  result: ProbeHead.size + SpanHead.size + 12,
  text: ProbeHead.size + SpanHead.size + 16,
  size: ProbeHead.size + SpanHead.size + 16 + 64,
};

const traceId = '4bf92f3577b34da6a3ce929d0e0e4736';
const parentId = '00f067aa0ba902b7';
const good = `00-${traceId}-${parentId}-01`;

interface Parent {
  readonly traceId: string;
  readonly parentId: string;
  /** OTLP Span.flags. */
  readonly flags: number;
}

/** The same from the text of the recommendation: an oracle that shares no code with BPF. */
function parentOf(header: string): Parent | undefined {
  const match = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(.*)$/s.exec(header);
  if (!match) return undefined;
  const [, version, trace, parent, flags, rest] = match as unknown as string[];
  if (version === 'ff' || /^0+$/.test(trace!) || /^0+$/.test(parent!)) return undefined;
  if (version === '00' ? rest !== '' : rest !== '' && !rest!.startsWith('-')) return undefined;
  return { traceId: trace!, parentId: parent!, flags: Number.parseInt(flags!, 16) | 0x300 };
}

describeKernel('trace context in BPF', () => {
  let object: BpfObject;
  beforeAll(() => {
    object = openBpfTest('trace_context');
  });
  afterAll(() => object.close());

  /** As take_traceparent() calls it: only for headers of 55 bytes and more, of which it reads 56. */
  const parse = (header: string): Parent | undefined => {
    const text = Buffer.from(header, 'latin1');
    if (text.length < 55) return undefined;
    const input = Buffer.alloc(layout.size);
    input.writeBigUInt64LE(BigInt(text.length), layout.len);
    input.writeUInt32LE(0xdead, layout.result);
    input.fill(0xee, layout.span, layout.span + SpanHead.size);
    text.copy(input, layout.text, 0, 56);
    const output = runCase(object, 'test_parse', input);
    const span = Buffer.from(output.buffer, output.byteOffset + layout.span, SpanHead.size);
    if (output.getUint32(layout.result, true) === 0) {
      expect(span.every((byte) => byte === 0xee)).toBe(true); // Nothing of a bad header is taken over.
      return undefined;
    }
    expect(output.getUint32(layout.result, true)).toBe(1);
    return {
      traceId: span.toString('hex', SpanHead.traceId, SpanHead.traceId + 16),
      parentId: span.toString('hex', SpanHead.parentSpanId, SpanHead.parentSpanId + 8),
      flags: span.readUInt32LE(SpanHead.traceFlags),
    };
  };

  describe('traceparent', () => {
    test.each([
      ['sampled', good, 0x301],
      ['not sampled', `00-${traceId}-${parentId}-00`, 0x300],
      ['all flags', `00-${traceId}-${parentId}-ff`, 0x3ff],
      ['ids of one bit', `00-${'0'.repeat(31)}1-${'0'.repeat(15)}1-01`, 0x301],
      ['ids of one high bit', `00-8${'0'.repeat(31)}-8${'0'.repeat(15)}-01`, 0x301],
      ['version 01 without more', `01-${traceId}-${parentId}-01`, 0x301],
      ['version 01 with more', `01-${traceId}-${parentId}-01-more`, 0x301],
      ['version 01 with an empty rest', `01-${traceId}-${parentId}-01-`, 0x301],
      ['version fe', `fe-${traceId}-${parentId}-01-more`, 0x301],
    ])('%s is taken over', (_what, header, flags) => {
      const [, trace, parent] = header.split('-');
      expect(parse(header)).toEqual({ traceId: trace, parentId: parent, flags });
      expect(parentOf(header)).toEqual({ traceId: trace, parentId: parent, flags });
    });

    test.each([
      ['version ff', `ff-${traceId}-${parentId}-01`],
      ['version 00 with more', `${good}-more`],
      ['version 00 with a dash more', `${good}-`],
      ['version 00 with a blank more', `${good} `],
      ['version 01 with more that begins without a dash', `01-${traceId}-${parentId}-01more`],
      ['version in upper case', `0A-${traceId}-${parentId}-01`],
      ['a version that is no number', `0x-${traceId}-${parentId}-01`],
      ['trace id in upper case', `00-${traceId.toUpperCase()}-${parentId}-01`],
      ['parent id in upper case', `00-${traceId}-${'0'.repeat(15)}A-01`],
      ['flags in upper case', `00-${traceId}-${parentId}-0A`],
      ['flags that are no number', `00-${traceId}-${parentId}-0g`],
      ['a trace id of zeros', `00-${'0'.repeat(32)}-${parentId}-01`],
      ['a parent id of zeros', `00-${traceId}-${'0'.repeat(16)}-01`],
      ['too short', good.slice(0, -1)],
      ['nothing', ''],
      ['the first dash missing', `00_${traceId}-${parentId}-01`],
      ['the second dash missing', `00-${traceId}_${parentId}-01`],
      ['the third dash missing', `00-${traceId}-${parentId}_01`],
      ['a dash one byte early', `00-${traceId.slice(1)}--${parentId}-01`],
      ['bytes of zero', '\0'.repeat(55)],
      ['bytes above ASCII', `00-${traceId.slice(1)}\xe9-${parentId}-01`],
    ])('%s is ignored', (_what, header) => {
      expect(parse(header)).toBeUndefined();
      expect(parentOf(header)).toBeUndefined();
    });

    test('3,000 headers with a few bytes wrong, as the oracle has it', () => {
      const random = randomFrom(20_240_901);
      const alphabet = '0123456789abcdef-ABCDEFGg/:`\0 ';
      let taken = 0;
      for (let i = 0; i < 3000; i++) {
        const bytes = [
          ...`${random.pick(['00', '00', '01', 'fe', 'ff', '0f'])}${good.slice(2)}${random.pick(['', '', '-', '-x', 'x'])}`,
        ];
        for (let edits = random.below(3); edits > 0; edits--) {
          bytes[random.below(bytes.length)] = alphabet[random.below(alphabet.length)]!;
        }
        const header = bytes.join('');
        const expected = parentOf(header);
        expect([header, parse(header)]).toEqual([header, expected]);
        if (expected) taken++;
      }
      expect(taken).toBeGreaterThan(500);
      expect(taken).toBeLessThan(2500);
    });
  });

  test('new traces: ids never zero, always others, a root that is sampled', () => {
    const seen = new Set<string>();
    const spans = new Set<string>();
    for (let i = 0; i < 2000; i++) {
      const output = runCase(object, 'test_new_trace', new Uint8Array(layout.size).fill(0xee));
      const span = Buffer.from(output.buffer, output.byteOffset + layout.span, SpanHead.size);
      const id = span.toString('hex', SpanHead.traceId, SpanHead.traceId + 16);
      expect(id).not.toMatch(/^0+$/);
      expect(span.toString('hex', SpanHead.parentSpanId, SpanHead.parentSpanId + 8)).toBe('0'.repeat(16));
      // Bit 8: it is known whether the parent is remote. Bit 9: it is not.
      expect(span.readUInt32LE(SpanHead.traceFlags)).toBe(0x101);
      seen.add(id);
      spans.add(span.toString('hex', SpanHead.spanId, SpanHead.spanId + 8));
    }
    expect(seen.size).toBe(2000);
    expect(spans.size).toBe(2000);
    for (const id of spans) expect(id).not.toMatch(/^0+$/);
    // Every byte takes many values, except the last one, which always has one bit set.
    for (let byte = 0; byte < 16; byte++) {
      expect(new Set([...seen].map((id) => id.slice(2 * byte, 2 * byte + 2))).size).toBeGreaterThan(
        byte === 15 ? 100 : 200,
      );
    }
  });

  describe('sampling', () => {
    const sampled = (sampler: SamplerConfig, id: string, parent?: { flags: number }): boolean => {
      const input = Buffer.alloc(layout.size);
      const config = { sampler, maxInFlight: 1, maxPathBytes: 1024, maxStatementBytes: 4096, ringBytes: 1 << 20 };
      input.set(encodeProbeHead(config, false), layout.probe);
      input.set(Buffer.from(id, 'hex'), layout.span + SpanHead.traceId);
      input.writeUInt32LE(parent?.flags ?? 1, layout.span + SpanHead.traceFlags);
      input.writeUInt32LE(parent ? 1 : 0, layout.parented);
      const result = runCase(object, 'test_sample', input).getUint32(layout.result, true);
      expect(result).toBeLessThanOrEqual(1);
      return result === 1;
    };
    const ratio = (value: number, parentBased = false) =>
      ({ kind: 'traceidratio', parentBased, ratio: value }) as const;

    /**
     * TraceIdRatioBased as the Go SDK defines it, so that uspan agrees with services that sample by it: bits 1 to 63 of the trace id,
     * without its last bit, against ratio × 2^63.
     */
    const oracle = (value: number, id: string) => Number(BigInt(`0x${id.slice(16)}`) >> 1n) < value * 2 ** 63;

    test('by ratio, as the oracle has it, over random ids', () => {
      const random = randomFrom(7);
      const hex = () => Array.from({ length: 16 }, () => random.below(256).toString(16).padStart(2, '0')).join('');
      for (const value of [0, 0.0001, 0.01, 0.25, 0.5, 0.75, 0.999, 1]) {
        let kept = 0;
        const count = 400;
        for (let i = 0; i < count; i++) {
          const id = hex();
          const answer = sampled(ratio(value), id);
          expect([value, id, answer]).toEqual([value, id, oracle(value, id)]);
          if (answer) kept++;
        }
        // Six standard deviations: the wrong half of the id, or its wrong end, would be far outside.
        expect(Math.abs(kept - value * count)).toBeLessThanOrEqual(6 * Math.sqrt(count * value * (1 - value)));
      }
    });

    test('the bounds', () => {
      const [least, most] = [`${'f'.repeat(16)}${'0'.repeat(16)}`, `${'0'.repeat(16)}${'f'.repeat(16)}`];
      expect(sampled(ratio(0), least)).toBe(false);
      expect(sampled(ratio(1), most)).toBe(true);
      expect(sampled(ratio(0.5), `${'0'.repeat(16)}7fffffffffffffff`)).toBe(true);
      expect(sampled(ratio(0.5), `${'0'.repeat(16)}8000000000000000`)).toBe(false);
      // The id's other half and its last bit do not count.
      expect(sampled(ratio(0.5), `${'f'.repeat(16)}7fffffffffffffff`)).toBe(true);
      expect(sampled(ratio(2 ** -63), `${'f'.repeat(16)}0000000000000001`)).toBe(true);
      expect(sampled(ratio(2 ** -63), `${'f'.repeat(16)}0000000000000002`)).toBe(false);
    });

    test('always on and off', () => {
      for (const parentBased of [false, true]) {
        expect(sampled({ kind: 'always_on', parentBased, ratio: 0 }, traceId)).toBe(true);
        expect(sampled({ kind: 'always_off', parentBased, ratio: 1 }, traceId)).toBe(false);
      }
    });

    test('a remote parent decides, where it is asked', () => {
      for (const flags of [0x301, 0x3ff, 0x303]) {
        expect(sampled({ kind: 'always_off', parentBased: true, ratio: 0 }, traceId, { flags })).toBe(true);
        expect(sampled({ kind: 'always_off', parentBased: false, ratio: 0 }, traceId, { flags })).toBe(false);
      }
      for (const flags of [0x300, 0x3fe]) {
        expect(sampled({ kind: 'always_on', parentBased: true, ratio: 1 }, traceId, { flags })).toBe(false);
        expect(sampled({ kind: 'always_on', parentBased: false, ratio: 1 }, traceId, { flags })).toBe(true);
        expect(sampled(ratio(1, true), traceId, { flags })).toBe(false);
      }
    });
  });
});
