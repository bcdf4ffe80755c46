import { describe, expect, test } from 'vitest';
import { attributeKey } from '../../src/contract/attribute-key.ts';
import type { Binary, UsdtNote } from '../../src/contract/binary.ts';
import { parseArguments } from '../../src/discovery/usdt/arguments.ts';
import { ObjectSpanWriter } from '../../src/otel/object-span-writer.ts';
import type { SpanObject } from '../../src/otel/span-object.ts';
import {
  Constant,
  EventKind,
  FieldHead,
  PairCapture,
  PairCaptureKind,
  PairConfig,
  PairMoment,
  SpanHead,
  UsdtArgument,
  UsdtLocation,
  UsdtSpec,
} from '../../src/probes/layout.gen.ts';
import type { ArgumentType, PairArgument } from '../../src/probes/pair/pair.ts';
import { type UsdtPair, usdtPair } from '../../src/probes/pair/usdt-pair.ts';
import { plan } from '../../src/probes/plan.ts';
import { encodeSpec } from '../../src/probes/sites/argument-specs.ts';
import { slabOf } from '../support/otlp-slab.ts';
import { encodeSpanRecord } from '../support/span-record.ts';
import { firstAddress, programOf } from './sites-program.ts';

const base: UsdtPair = {
  name: 'test/pair',
  library: 'test',
  versions: 'any',
  provider: 'shop',
  start: 'open',
  end: 'close',
  libraries: /^libshop\.so/,
  spanName: ['order'],
  arguments: [],
  minDurationNs: 0,
  maxPerSecond: 0,
};
const argument = (key: string, type: ArgumentType, more: Partial<PairArgument> = {}): PairArgument => {
  return { key: attributeKey(key), of: 'start', argument: 0, type, ...more };
};

/** A program of nops with notes at them: `name`, `arguments`, offset of the site. */
function programWith(code: string, notes: readonly [name: string, argumentText: string, at: number][]): Binary {
  const program = programOf({ main: code });
  return {
    ...program,
    code: ({ address }, maxBytes) =>
      Uint8Array.from(Buffer.from(code.replaceAll(' ', ''), 'hex'))
        .subarray(address - firstAddress)
        .slice(0, maxBytes),
    notes: notes.map(([name, argumentText, at]): UsdtNote => {
      const address = firstAddress + at;
      return {
        provider: 'shop',
        name,
        address,
        fileOffset: 0x1000 + at,
        semaphore: name === 'open' ? { address: 0x404000, fileOffset: 0x3000, startsMiscounted: false } : undefined,
        argumentText,
        arguments: parseArguments(argumentText, {
          machine: 'x64',
          siteAddress: address,
          variables: (variable) => (variable === 'total' ? 0x404010 : undefined),
        }),
      };
    }),
  };
}

const decide = (binary: Binary, pair: UsdtPair) =>
  plan(binary, 'executable', [usdtPair(pair)], { allowSingleStep: false, allowInstrumented: false })[0];

describe('plan', () => {
  const binary = programWith('90 90 90 90 90', [
    ['open', '-4@%edi', 0],
    ['open', '-4@%edi', 1],
    ['open', '-4@total(%rip)', 2],
    ['open', '-4@total(%rip)', 3],
    ['close', '', 4],
  ]);

  test('every site, with its own arguments, its semaphore and the note’s address', () => {
    const decision = decide(binary, { ...base, arguments: [argument('id', 'i32')] });
    if (decision?.do !== 'attach') throw new Error(JSON.stringify(decision));
    expect(
      decision.sites.map((site) => [site.momentName, site.fileOffset, site.class, site.spec, site.refCtrOffset]),
    ).toEqual([
      ['start', 0x1000, 'nop', 0, 0x3000],
      ['start', 0x1001, 'nop', 0, 0x3000],
      // The distance to a variable differs from site to site.
      ['start', 0x1002, 'nop', 2, 0x3000],
      ['start', 0x1003, 'nop', 3, 0x3000],
      ['end', 0x1004, 'nop', 4, 0],
    ]);
    expect(decision.entries.map(({ map, spec }) => [map, spec])).toEqual([
      ['usdt_specs', 0],
      ['usdt_specs', 2],
      ['usdt_specs', 3],
      ['usdt_specs', 4],
    ]);
    expect(decision.notes).toEqual([]);
  });

  test('an argument that some or all sites do not give is told', () => {
    const decision = decide(binary, {
      ...base,
      arguments: [argument('second', 'i32', { argument: 1 }), argument('status', 'i32', { of: 'end' })],
    });
    expect(decision).toMatchObject({
      notes: [
        'second is never recorded: shop:open has 1 arguments',
        'status is never recorded: shop:close has 0 arguments',
      ],
    });
    const mixed = programWith('90 90 90', [
      ['open', '-4@%fs:id@tpoff', 0],
      ['open', '-4@%edi', 1],
      ['close', '', 2],
    ]);
    expect(decide(mixed, { ...base, arguments: [argument('id', 'i32')] })).toMatchObject({
      do: 'attach',
      notes: ['id is not at every site recorded: -4@%fs:id@tpoff: it is thread-local'],
    });
  });

  test('a pair without its end is skipped, a program with neither not looked at', () => {
    const half = programWith('90', [['open', '', 0]]);
    expect(decide(half, base)).toMatchObject({
      do: 'skip',
      reason: 'symbol_missing',
      detail: expect.stringMatching(/shop:close is not among/),
    });
    expect(decide(programWith('90', [['other', '', 0]]), base)).toBeUndefined();
    expect(decide(binary, { ...base, programs: (path) => path === '/bin/other' })).toBeUndefined();
    const during = decide(binary, { ...base, during: 'step' });
    expect(during).toMatchObject({ do: 'attach', notes: [expect.stringContaining('shop:step is not among')] });
  });

  test('never a 5-byte nop, nor what the kernel refuses', () => {
    const nop5 = programWith('0f1f440000 90', [
      ['open', '', 0],
      ['close', '', 5],
    ]);
    expect(decide(nop5, base)).toMatchObject({
      do: 'skip',
      reason: 'no_cheap_site',
      detail: expect.stringMatching(/red zone/),
    });
    const oneOfTwo = programWith('0f1f440000 90 90', [
      ['open', '', 0],
      ['open', '', 5],
      ['close', '', 6],
    ]);
    expect(decide(oneOfTwo, base)).toMatchObject({
      do: 'attach',
      sites: [{ fileOffset: 0x1005 }, { fileOffset: 0x1006 }],
    });
    const int3 = programWith('cc 90', [
      ['open', '', 0],
      ['close', '', 1],
    ]);
    expect(decide(int3, base)).toMatchObject({
      do: 'skip',
      reason: 'no_cheap_site',
      detail: expect.stringMatching(/takes no probe/),
    });
  });

  test('its configuration: thresholds, rate, and captures in the order of their probes', () => {
    const decision = decide(binary, {
      ...base,
      during: 'open',
      arguments: [
        argument('status', 'i32', { of: 'end', argument: 3 }),
        argument('name', 'string', { argument: 1, lengthArgument: 2 }),
        argument('step', 'string', { of: 'during', argument: 4 }),
      ],
      minDurationNs: 5_000_000,
      maxPerSecond: 100,
    });
    if (decision?.do !== 'attach') throw new Error(JSON.stringify(decision));
    const view = new DataView(decision.constants.buffer);
    expect(view.getUint32(PairConfig.captures, true)).toBe(3);
    expect(view.getBigUint64(PairConfig.minDurationNs, true)).toBe(5_000_000n);
    expect(view.getBigUint64(PairConfig.periodNs, true)).toBe(10_000_000n);
    expect(view.getBigUint64(PairConfig.burstNs, true)).toBe(990_000_000n);
    const captures = Array.from({ length: 4 }, (_, index) => {
      const at = PairConfig.capture + index * PairCapture.size;
      return [...decision.constants.subarray(at, at + PairCapture.size)];
    });
    expect(captures).toEqual([
      [PairCaptureKind.TEXT, PairMoment.START, 1, 2],
      [PairCaptureKind.STRING, PairMoment.DURING, 4, 0],
      [PairCaptureKind.NUMBER, PairMoment.END, 3, 0],
      [PairCaptureKind.NONE, 0, 0, 0],
    ]);
  });
});

test('a specification says where each argument is', () => {
  const encode = (machine: 'x64' | 'arm64', text: string) => {
    const spec = encodeSpec(parseArguments(text, { machine, siteAddress: 0, variables: () => 0x40 }), machine);
    expect(spec).toHaveLength(UsdtSpec.size);
    const view = new DataView(spec.buffer);
    return Array.from({ length: Constant.USDT_ARGUMENTS }, (_, n) => {
      const at = n * UsdtArgument.size;
      const rest = spec.subarray(at + 8, at + UsdtArgument.size);
      return [view.getBigInt64(at, true), ...rest];
    }).slice(0, text.split(' ').length + 1);
  };
  const { CONSTANT, REGISTER, MEMORY, UNREADABLE } = UsdtLocation;
  const none = Constant.USDT_NO_REGISTER;
  const blank = [0n, UNREADABLE, 0, 0, 0, 0, 0, 0, 0];
  expect(encode('x64', '-8@$-5 1@%bh -4@-8(%rbp) 8@(%rsp,%r15,8) 2@v(%rip) 4@%xmm0')).toEqual([
    [-5n, CONSTANT, 0, 0, 0, 8, 1, 0, 0],
    [0n, REGISTER, 1, 0, 0, 1, 0, 8, 0],
    [-8n, MEMORY, 6, none, 0, 4, 1, 0, 0],
    [0n, MEMORY, 7, 15, 3, 8, 0, 0, 0],
    [0x40n, MEMORY, Constant.USDT_SITE, none, 0, 2, 0, 0, 0],
    blank,
    blank,
  ]);
  expect(encode('arm64', '8@x30 4@[sp,96] 8@[x0,x1]')).toEqual([
    [0n, REGISTER, 30, 0, 0, 8, 0, 0, 0],
    [96n, MEMORY, 31, none, 0, 4, 0, 0, 0],
    [0n, MEMORY, 0, 1, 0, 8, 0, 0, 0],
    blank,
  ]);
});

interface Captured {
  readonly value?: bigint;
  readonly text?: string;
  readonly unreadable?: boolean;
  readonly cut?: boolean;
}

/** A record as the program sends it. */
function recordOf(captures: readonly (Captured | undefined)[]) {
  const fields = captures.flatMap((captured, field) => {
    if (!captured) return [];
    const { value = 0n, text, unreadable, cut } = captured;
    const number = new Uint8Array(BigUint64Array.of(BigInt.asUintN(64, value)).buffer);
    return [{ field, value: text === undefined ? number : Buffer.from(text), unreadable, cut }];
  });
  const slab = slabOf(encodeSpanRecord({ kind: EventKind.PAIR, fields }));
  return { slab, view: new DataView(slab.bytes.buffer) };
}

function write(
  pair: Partial<UsdtPair>,
  captures: readonly (Captured | undefined)[],
  change?: (view: DataView) => void,
) {
  const { slab, view } = recordOf(captures);
  change?.(view);
  let span: SpanObject | undefined;
  const writer = new ObjectSpanWriter((each) => {
    span = each;
  });
  const written = usdtPair({ ...base, ...pair }).write(slab, 0, { attributes: {} }, writer);
  return { written, name: span?.name, attributes: span?.attributes, kind: span?.kind };
}

describe('span', () => {
  const bits = (value: number) => new BigUint64Array(Float64Array.of(value).buffer)[0]!;
  test.each<[ArgumentType, bigint, unknown, string]>([
    ['i8', 0xffn, -1, '-1'],
    ['i8', 0x17fn, 127, '127'],
    ['u8', -1n, 255, '255'],
    ['i16', 0x8000n, -32768, '-32768'],
    ['u16', -1n, 65535, '65535'],
    ['i32', 0xffff_ffffn, -1, '-1'],
    ['u32', -1n, 4294967295, '4294967295'],
    ['i64', -2n, -2, '-2'],
    ['i64', -(2n ** 53n) + 1n, Number.MIN_SAFE_INTEGER, '-9007199254740991'],
    ['i64', -(2n ** 53n), '-9007199254740992', '-9007199254740992'],
    ['i64', 2n ** 63n - 1n, '9223372036854775807', '9223372036854775807'],
    ['u64', 2n ** 53n - 1n, Number.MAX_SAFE_INTEGER, '9007199254740991'],
    ['u64', -1n, '18446744073709551615', '18446744073709551615'],
    ['f64', bits(-0.5), -0.5, '-0.5'],
    ['f64', bits(Number.POSITIVE_INFINITY), Number.POSITIVE_INFINITY, 'Infinity'],
    ['f32', 0x3fc0_0000n, 1.5, '1.5'],
    ['bool', 0n, false, 'false'],
    ['bool', 2n ** 40n, true, 'true'],
    ['pointer', 0x7fff_1234_5678n, '0x7fff12345678', '0x7fff12345678'],
  ])('%s %d is %j', (type, value, attribute, name) => {
    expect(write({ spanName: ['n ', 0], arguments: [argument('n', type)] }, [{ value }])).toEqual({
      written: 'internal',
      name: `n ${name}`,
      attributes: { n: attribute },
      kind: 1,
    });
  });

  const three = {
    spanName: [2, '/', 0, '/', 1],
    arguments: [
      argument('end', 'string', { of: 'end' }),
      argument('start', 'string'),
      argument('between', 'string', { of: 'during' }),
    ],
  } satisfies Partial<UsdtPair>;

  test('texts lie in the order of their probes, whatever that of the attributes', () => {
    expect(write(three, [{ text: 'one' }, { text: 'zwei' }, { text: 'três' }])).toMatchObject({
      name: 'zwei/três/one',
      attributes: { start: 'one', between: 'zwei', end: 'três' },
    });
  });

  test('what was not reached or not read is absent; an empty text is one', () => {
    expect(write(three, [{ text: '' }, undefined, { text: '', unreadable: true }])).toMatchObject({
      name: '?/?/',
      attributes: { start: '', 'uspan.unreadable': 'end' },
    });
    const none = write(three, [{ text: '' }, undefined, { text: '', unreadable: true }]);
    expect(Object.keys(none.attributes!)).toEqual(['start', 'uspan.unreadable']);
  });

  test('a cut is marked; one without any text left is no text', () => {
    expect(write(three, [{ text: 'on', cut: true }, { text: '', cut: true }, { text: 'x' }]).attributes).toEqual({
      start: 'on',
      end: 'x',
      'uspan.truncated': 'start,between',
    });
  });

  test('a record that contradicts itself is none', () => {
    const texts = [{ text: 'one' }, { text: 'two' }, { text: 'three' }];
    const malformed = { written: 'malformed', name: undefined };
    for (const length of [1000, 2 ** 15, 2 ** 16 - 1]) {
      const second = SpanHead.size + FieldHead.size + 4;
      expect(write(three, texts, (view) => view.setUint16(second + FieldHead.len, length, true))).toMatchObject(
        malformed,
      );
    }
    const short = (view: DataView) => view.setUint32(SpanHead.headLen, SpanHead.size - 8, true);
    expect(write(three, texts, short)).toMatchObject(malformed);
  });
});
