import { setImmediate as nextTurn } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test, vi } from 'vitest';
import type { BpfObject, Link, OpenOptions } from '../../native/native.d.ts';
import { type KernelWatch, watchKernel } from '../support/kernel-leftovers.ts';
import {
  buildNativeFixture,
  describeKernel,
  hits,
  type NativeFixture,
  startTarget,
  type Target,
} from './native-fixture.ts';

/** As declared in the fixture: 4096 bytes, records of 40 bytes and a header of 8. */
const ringBytes = 4096;
const recordBytes = 40;
const capacity = Math.floor(ringBytes / (recordBytes + 8));

let fixture: NativeFixture;
let target: Target;
let watch: KernelWatch;
let object: BpfObject;
let link: Link;
beforeAll(() => {
  fixture = buildNativeFixture();
});
afterAll(() => fixture.remove());
beforeEach(async () => {
  watch = watchKernel();
  target = await startTarget(fixture.target);
});
afterEach(async () => {
  await target.stop();
  await link.close();
  await object.close();
  await watch.assertNothingLeft();
});

/** Records every call of first() from here on. */
const record = (rodata: OpenOptions['rodata'] = {}) => {
  object = fixture.open({ rodata });
  link = object.attachUprobes({
    program: 'record_hit',
    path: fixture.target,
    offsets: new BigUint64Array([fixture.offset('first')]),
    cookies: new BigUint64Array([77n]),
  });
  return object.ring('ring');
};
const u32 = (value: number) => new Uint8Array(new Uint32Array([value]).buffer);
const sequences = (slab: Uint8Array, bytes: number, stride = recordBytes) => {
  const view = new DataView(slab.buffer, slab.byteOffset, bytes);
  return Array.from({ length: bytes / stride }, (_, index) => {
    expect(view.getBigUint64(index * stride + 24, true)).toBe(77n);
    return Number(view.getBigUint64(index * stride + 32, true));
  });
};
const range = (from: number, to: number) => Array.from({ length: to - from }, (_, index) => from + index);
/** What the fixture counts under DROPPED. */
const dropped = () => hits(object, 3000n);

describeKernel('ring buffer', () => {
  test('gives every record in order while going round many times', async () => {
    const ring = record();
    const slab = new Uint8Array(64 * 1024);
    expect(ring.sizeBytes).toBe(ringBytes);
    for (let round = 0; round < 100; round++) {
      await target.call('first', 71);
      expect(sequences(slab, ring.drain(slab))).toEqual(range(round * 71, (round + 1) * 71));
    }
    expect(ring.drain(slab)).toBe(0);
  });

  test('a full ring refuses new records and keeps the old ones', async () => {
    const ring = record();
    await target.call('first', 200);
    const slab = new Uint8Array(ringBytes);
    expect(sequences(slab, ring.drain(slab))).toEqual(range(0, capacity));
    expect(dropped()).toBe(200 - capacity);
    await target.call('first', 1);
    expect(sequences(slab, ring.drain(slab))).toEqual([200]);
  });

  test('stops before a record that does not fit the slab', async () => {
    const ring = record();
    await target.call('first', 10);
    const slab = new Uint8Array(3 * recordBytes + 39);
    expect(sequences(slab, ring.drain(slab))).toEqual([0, 1, 2]);
    expect(sequences(slab, ring.drain(slab))).toEqual([3, 4, 5]);
    const part = new Uint8Array(1024).subarray(100, 100 + 4 * recordBytes);
    expect(sequences(part, ring.drain(part))).toEqual([6, 7, 8, 9]);
    expect(ring.oversizedRecords).toBe(0);
  });

  test('starts each record at a multiple of 8 and clears the padding', async () => {
    const ring = record({ record_bytes: u32(43) });
    await target.call('first', 3);
    const slab = new Uint8Array(1024).fill(0xee);
    const bytes = ring.drain(slab);
    expect(sequences(slab, bytes, 48)).toEqual([0, 1, 2]);
    for (const start of [0, 48, 96]) {
      expect(new DataView(slab.buffer).getUint32(start + 16, true)).toBe(43);
      expect([...slab.subarray(start + 43, start + 48)]).toEqual([0, 0, 0, 0, 0]);
    }
    expect(slab[bytes]).toBe(0xee);
  });

  test('skips and counts a record larger than the slab', async () => {
    const ring = record({ record_bytes: u32(400) });
    await target.call('first', 3);
    expect(ring.drain(new Uint8Array(399))).toBe(0);
    expect(ring.oversizedRecords).toBe(3);
    expect(ring.drain(new Uint8Array(4096))).toBe(0);
  });

  test('loses nothing uncounted when several processors write while we read', async () => {
    const ring = record();
    const others = await Promise.all([startTarget(fixture.target), startTarget(fixture.target)]);
    const slab = new Uint8Array(512);
    let received = 0;
    let writing = true;
    const calls = Promise.all([target, ...others].map((one) => one.call('first', 20_000))).then(() => {
      writing = false;
    });
    while (writing) {
      for (let bytes = ring.drain(slab); bytes > 0; bytes = ring.drain(slab)) received += sequences(slab, bytes).length;
      await nextTurn();
    }
    await calls;
    for (let bytes = ring.drain(slab); bytes > 0; bytes = ring.drain(slab)) received += bytes / recordBytes;
    expect(received + dropped()).toBe(60_000);
    expect(received).toBeGreaterThan(capacity);
    for (const other of others) await other.stop();
  });

  test('calls back when BPF forces a wake-up, not again and again while records wait', async () => {
    const ring = record({ wake: u32(1) });
    const woken = vi.fn();
    ring.onWakeup(woken);
    for (let call = 1; call <= 3; call++) {
      await target.call('first', 1);
      await vi.waitFor(() => expect(woken).toHaveBeenCalledTimes(call), { timeout: 10_000 });
      for (let turn = 0; turn < 50; turn++) await nextTurn();
      expect(woken).toHaveBeenCalledTimes(call);
    }
    const slab = new Uint8Array(4096);
    expect(sequences(slab, ring.drain(slab))).toEqual([0, 1, 2]);
  });

  test('a new callback replaces the old; none comes without a forced wake-up, or after close', async () => {
    const ring = record();
    const [old, woken] = [vi.fn(), vi.fn()];
    ring.onWakeup(old);
    ring.onWakeup(woken);
    await target.call('first', 50);
    for (let turn = 0; turn < 50; turn++) await nextTurn();
    expect(old).not.toHaveBeenCalled();
    expect(woken).not.toHaveBeenCalled();
    ring.close();
    ring.close();
    expect(() => ring.drain(new Uint8Array(8))).toThrow(expect.objectContaining({ code: 'E_NATIVE' }));
    expect(() => ring.onWakeup(woken)).toThrow(expect.objectContaining({ code: 'E_NATIVE' }));
  });

  test('has one reader at a time; the next takes over where it stopped', async () => {
    const ring = record();
    expect(() => object.ring('ring')).toThrow(expect.objectContaining({ code: 'E_BPF_MAP' }));
    expect(() => object.ring('hits')).toThrow(expect.objectContaining({ code: 'E_BPF_MAP' }));
    expect(() => object.ring('nothing')).toThrow(expect.objectContaining({ code: 'E_BPF_MAP' }));
    await target.call('first', 2);
    const slab = new Uint8Array(recordBytes);
    expect(sequences(slab, ring.drain(slab))).toEqual([0]);
    ring.close();
    expect(sequences(slab, object.ring('ring').drain(slab))).toEqual([1]);
  });
});
