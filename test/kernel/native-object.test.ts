import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import type { OpenOptions } from '../../native/native.d.ts';
import { loadNative } from '../../src/native.ts';
import { type KernelWatch, watchKernel } from '../support/kernel-leftovers.ts';
import { buildNativeFixture, bytesOf, describeKernel, hits, type NativeFixture } from './native-fixture.ts';

const native = loadNative();
const withCode = (code: string, message = '') =>
  expect.objectContaining({ code, message: expect.stringContaining(message) });
const u32 = (...values: number[]) => new Uint8Array(new Uint32Array(values).buffer);

let fixture: NativeFixture;
let watch: KernelWatch;
beforeAll(() => {
  fixture = buildNativeFixture();
});
afterAll(() => fixture.remove());
beforeEach(() => {
  watch = watchKernel();
});
afterEach(() => watch.assertNothingLeft());

describeKernel('openObject', () => {
  test('what is no ELF file: E_BPF_OPEN', () => {
    for (const object of [new Uint8Array(0), new Uint8Array(4096), readFileSync(fixture.target)]) {
      expect(() => fixture.open({ object })).toThrow(withCode('E_BPF_OPEN', 'probe'));
    }
  });

  test('a file cut anywhere: an error, never a crash', () => {
    for (let bytes = 64; bytes < fixture.probeObject.byteLength; bytes += 997) {
      const object = fixture.probeObject.subarray(0, bytes);
      expect(() => fixture.open({ object })).toThrow(expect.objectContaining({ code: 'E_BPF_OPEN' }));
    }
  });

  test("a program the verifier refuses: E_BPF_LOAD with the log's tail", () => {
    let error: unknown;
    try {
      fixture.open({ object: fixture.brokenObject });
    } catch (caught) {
      error = caught;
    }
    expect(error).toEqual(withCode('E_BPF_LOAD', "'broken'"));
    const { verifierLog, errno, message } = error as { verifierLog: string; errno: number; message: string };
    expect(verifierLog).toMatch(/invalid mem access 'scalar'/);
    expect(verifierLog.length).toBeLessThanOrEqual(4096);
    expect(message).not.toContain('BEGIN PROG LOAD LOG');
    expect(errno).toBe(13);
  });

  test('unknown maps and variables, and wrong sizes: E_BPF_OPEN naming them', () => {
    const refused = (options: object, what: string) =>
      expect(() => fixture.open(options)).toThrow(withCode('E_BPF_OPEN', what));
    refused({ mapMaxEntries: { nowhere: 1 } }, 'nowhere');
    refused({ rodata: { nothing: u32(1) } }, 'nothing');
    refused({ rodata: { wake: new Uint8Array(3) } }, 'wake has 4 bytes, not 3');
    refused({ rodata: { sequence: bytesOf(1n) } }, 'sequence');
  });

  test('sets rodata and map sizes', async () => {
    const rodata = { wake: u32(7), unused_but_sized: bytesOf(1n, 2n) };
    const object = fixture.open({ rodata, mapMaxEntries: { hits: 3 } });
    expect(object.map('hits').maxEntries).toBe(3);
    const section = Buffer.from(object.map('.rodata').lookup(u32(0))!);
    expect(section.includes(Buffer.from(u32(7)))).toBe(true);
    expect(section.includes(Buffer.from(bytesOf(1n, 2n)))).toBe(true);
    await object.close();
  });

  test('preallocates maps that would allocate each entry when it comes', async () => {
    const noPrealloc = 1; // BPF_F_NO_PREALLOC, include/uapi/linux/bpf.h
    const env = { ...process.env, PATH: `${process.env.PATH ?? ''}:/usr/sbin:/sbin` };
    const flagsOf = () =>
      (
        JSON.parse(execFileSync('bpftool', ['-j', 'map', 'show'], { env }).toString()) as {
          name?: string;
          flags: number;
        }[]
      )
        .filter(({ name }) => name === 'when_needed')
        .map(({ flags }) => flags);
    for (const [preallocateMaps, flags] of [
      [false, noPrealloc],
      [true, 0],
    ] as const) {
      const object = fixture.open({ preallocateMaps });
      expect(flagsOf()).toEqual([flags]);
      expect(object.map('when_needed').maxEntries).toBe(2);
      await object.close();
      await watch.assertNothingLeft();
    }
  });

  test('one map in two objects', async () => {
    expect(native.mapNames(fixture.probeObject, 'probe')).toContain('hits');
    const first = fixture.open();
    const second = fixture.open({ sharedMaps: { hits: first.map('hits') } });
    const apart = fixture.open();
    const key = new Uint8Array(first.map('hits').keySize);
    const value = new Uint8Array(first.map('hits').valueSize).fill(7);
    second.map('hits').update(key, value);
    expect(first.map('hits').lookup(key)).toEqual(value);
    expect(apart.map('hits').lookup(key)).not.toEqual(value);
    // It outlives the object that it came from.
    await first.close();
    expect(second.map('hits').lookup(key)).toEqual(value);
    await Promise.all([second.close(), apart.close()]);
  });

  test('a map that is declared differently, or closed, is not shared', async () => {
    const object = fixture.open();
    const share = (sharedMaps: NonNullable<OpenOptions['sharedMaps']>) => () => fixture.open({ sharedMaps });
    expect(share({ hits: object.map('per_cpu') })).toThrow(withCode('E_BPF_OPEN', 'hits is declared differently'));
    expect(share({ nowhere: object.map('hits') })).toThrow(withCode('E_BPF_OPEN', 'nowhere'));
    expect(share({ hits: {} as never })).toThrow(withCode('E_NATIVE', 'BpfMap'));
    const hits = object.map('hits');
    await object.close();
    expect(share({ hits })).toThrow(withCode('E_NATIVE', 'closed'));
  });

  test('arguments of the wrong type: E_NATIVE naming the argument', () => {
    const open = native.openObject as (options: unknown) => unknown;
    const object = fixture.probeObject;
    expect(() => open(undefined)).toThrow(withCode('E_NATIVE', 'options'));
    expect(() => open({})).toThrow(withCode('E_NATIVE', 'name'));
    expect(() => open({ name: 'a\0b' })).toThrow(withCode('E_NATIVE', 'NUL'));
    expect(() => open({ name: 'x', object: 'text' })).toThrow(withCode('E_NATIVE', 'object must be a Uint8Array'));
    expect(() => open({ name: 'x', object, rodata: 1 })).toThrow(withCode('E_NATIVE', 'rodata'));
    expect(() => open({ name: 'x', object, mapMaxEntries: { hits: -1 } })).toThrow(withCode('E_NATIVE', 'hits'));
    expect(() => open({ name: 'x', object, sharedMaps: 1 })).toThrow(withCode('E_NATIVE', 'sharedMaps'));
  });
});

describeKernel('BpfObject', () => {
  test('describes its loaded programs', async () => {
    const object = fixture.open();
    const programs = new Map(object.programs().map((program) => [program.name, program]));
    expect(programs.get('count_hit')!.verifiedInstructions).toBeGreaterThan(5);
    expect(programs.get('count_hit')!.runCount).toBe(0n);
    await object.close();
  });

  test('runs a syscall program: context in and out, and the return value', async () => {
    const object = fixture.open();
    const context = bytesOf(41n);
    expect(object.testRun('add', context)).toBe(7);
    expect(context).toEqual(bytesOf(42n));
    expect(() => object.testRun('count_hit', context)).toThrow(withCode('E_BPF_LOAD', 'count_hit'));
    expect(() => object.testRun('nobody', context)).toThrow(withCode('E_NATIVE', 'nobody'));
    await object.close();
  });

  test('attaches a raw tracepoint', async () => {
    const object = fixture.open();
    const link = object.attachRawTracepoint('count_raw_tracepoint', 'sched_process_exec');
    expect([link.kind, link.count]).toEqual(['raw_tracepoint', 1]);
    for (let run = 0; run < 3; run++) execFileSync('/bin/true');
    expect(hits(object, 2000n)).toBeGreaterThanOrEqual(3);
    await link.close();
    expect(() => object.attachRawTracepoint('count_raw_tracepoint', 'no_such_point')).toThrow(
      withCode('E_ATTACH', 'no_such_point'),
    );
    await object.close();
  });

  test('refuses everything once closed', async () => {
    const object = fixture.open();
    const map = object.map('hits');
    const ring = object.ring('ring');
    await object.close();
    const closed = withCode('E_NATIVE', 'closed');
    expect(() => object.programs()).toThrow(closed);
    expect(() => object.map('hits')).toThrow(closed);
    expect(() => object.ring('ring')).toThrow(closed);
    expect(() => object.testRun('add', bytesOf(1n))).toThrow(closed);
    expect(() => object.attachRawTracepoint('count_raw_tracepoint', 'sched_process_exec')).toThrow(closed);
    expect(() => object.runIterator('add', 1)).toThrow(closed);
    expect(() => map.lookup(bytesOf(1n))).toThrow(closed);
    expect(() => map.keys()).toThrow(closed);
    expect(() => map.entries()).toThrow(closed);
    expect(() => map.name).toThrow(closed);
    expect(() => ring.drain(new Uint8Array(8))).toThrow(closed);
  });

  test('its handles cannot be made by hand, nor their methods borrowed', async () => {
    const object = fixture.open();
    for (const handle of [object, object.map('hits'), object.ring('ring')]) {
      const Class = handle.constructor as new () => unknown;
      expect(() => new Class()).toThrow(withCode('E_NATIVE', 'cannot be constructed'));
    }
    expect(() => object.programs.call({} as never)).toThrow();
    expect(() => object.programs.call(object.map('hits') as never)).toThrow();
    await object.close();
  });
});

describeKernel('BpfMap', () => {
  test('updates, looks up, lists and deletes', async () => {
    const object = fixture.open();
    const map = object.map('hits');
    expect([map.name, map.keySize, map.valueSize, map.maxEntries]).toEqual(['hits', 8, 8, 64]);
    expect(map.lookup(bytesOf(5n))).toBeUndefined();
    expect(map.delete(bytesOf(5n))).toBe(false);
    for (let key = 0n; key < 64n; key++) map.update(bytesOf(key), bytesOf(key * 2n));
    expect(map.lookup(bytesOf(5n))).toEqual(bytesOf(10n));
    const keys = new BigUint64Array(map.keys().buffer);
    expect([...keys].sort((a, b) => Number(a - b))).toEqual(Array.from({ length: 64 }, (_, key) => BigInt(key)));
    expect(() => map.update(bytesOf(64n), bytesOf(1n))).toThrow(
      expect.objectContaining({ code: 'E_BPF_MAP', errno: 7, message: expect.stringContaining('hits') }),
    );
    expect(map.delete(bytesOf(5n))).toBe(true);
    expect(map.lookup(bytesOf(5n))).toBeUndefined();
    expect(map.keys().byteLength).toBe(63 * 8);
    await object.close();
  });

  test('gives all entries at once, of each value all or a part', async () => {
    const object = fixture.open({ mapMaxEntries: { hits: 5000 } });
    const map = object.map('hits');
    expect(map.entries()).toEqual({ keys: new Uint8Array(0), values: new Uint8Array(0) });
    for (let key = 0n; key < 5000n; key++) map.update(bytesOf(key), bytesOf(key * 3n + (7n << 32n)));
    const { keys, values } = map.entries();
    const numbers = [...new BigUint64Array(keys.buffer)];
    expect(numbers.toSorted((a, b) => Number(a - b))).toEqual(Array.from({ length: 5000 }, (_, key) => BigInt(key)));
    expect(values).toEqual(bytesOf(...numbers.map((key) => key * 3n + (7n << 32n))));
    const upper = map.entries(4, 2);
    expect(upper.keys).toEqual(keys);
    expect(upper.values).toEqual(new Uint8Array(Uint16Array.from(numbers, () => 7).buffer));
    expect(map.entries(8).values.byteLength).toBe(0);
    expect(() => map.entries(9)).toThrow(withCode('E_NATIVE', 'from'));
    expect(() => map.entries(4, 5)).toThrow(withCode('E_NATIVE', 'bytes'));
    expect(() => object.map('ring').entries()).toThrow(withCode('E_BPF_MAP', 'ring'));
    await object.close();
  });

  test('gives a per-CPU value as one 8-byte slot for each possible CPU', async () => {
    const object = fixture.open();
    const map = object.map('per_cpu');
    const value = map.lookup(u32(1))!;
    expect(map.valueSize).toBe(4);
    const possible = readFileSync('/sys/devices/system/cpu/possible', 'utf8').trim();
    expect(value.byteLength).toBe((Number(possible.split(/[-,]/).at(-1)) + 1) * 8);
    value.fill(1);
    map.update(u32(1), value);
    expect(map.lookup(u32(1))!.subarray(0, 4)).toEqual(value.subarray(0, 4));
    await object.close();
  });

  test('refuses keys and values of the wrong size', async () => {
    const object = fixture.open();
    const map = object.map('hits');
    expect(() => map.lookup(u32(1))).toThrow(withCode('E_BPF_MAP', 'keys of 8 bytes'));
    expect(() => map.update(bytesOf(1n), u32(1))).toThrow(withCode('E_BPF_MAP', 'values of 8 bytes'));
    expect(() => map.lookup('key' as never)).toThrow(withCode('E_NATIVE', 'key must be a Uint8Array'));
    expect(() => object.map('nowhere')).toThrow(withCode('E_BPF_MAP', 'nowhere'));
    await object.close();
  });
});
