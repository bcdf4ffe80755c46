/** If a goroutine's first call may have been forgotten, uspan must not take it to be started for a request that began much later. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { BpfObject } from '../../native/native.d.ts';
import { GoGoroutineKey, GoNewest } from '../../src/probes/layout.gen.ts';
import { describeKernel } from '../kernel/native-fixture.ts';
import { openBpfTest, runCase } from './bpf-case.ts';

const pid = 4711;
/** Half of the remembered goroutines. */
const slack = 16384n;
/** `struct newest_case` of go_newest.bpf.c. */
const startAt = GoGoroutineKey.size;
const answerAt = startAt + 8;

interface Newest {
  readonly now: bigint;
  readonly goid: readonly [bigint, bigint];
  readonly ktimeNs: readonly [bigint, bigint];
}

describeKernel('the newest goroutines of a process', () => {
  let object: BpfObject;
  beforeAll(() => {
    object = openBpfTest('go_newest');
  });
  afterAll(() => object.close());

  const key = new Uint8Array(Uint32Array.of(pid).buffer);

  function set({ now, goid, ktimeNs }: Newest): void {
    const words = BigUint64Array.of(now, ...goid, ...ktimeNs);
    expect(words.byteLength).toBe(GoNewest.size);
    object.map('go_newest').update(key, new Uint8Array(words.buffer));
  }

  function get(): Newest {
    const bytes = object.map('go_newest').lookup(key)!;
    const words = new BigUint64Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + GoNewest.size));
    return { now: words[0]!, goid: [words[1]!, words[2]!], ktimeNs: [words[3]!, words[4]!] };
  }

  function run(program: string, goid: bigint, start = 0n): DataView {
    const input = new Uint8Array(answerAt + 8);
    const view = new DataView(input.buffer);
    view.setBigUint64(GoGoroutineKey.goid, goid, true);
    view.setUint32(GoGoroutineKey.pid, pid, true);
    view.setBigUint64(startAt, start, true);
    return runCase(object, program, input);
  }
  const isFromBefore = (goid: bigint, start: bigint) =>
    run('test_from_before', goid, start).getBigUint64(answerAt, true) === 1n;

  test('of a process that nothing is known of, none is', () => {
    object.map('go_newest').delete(key);
    expect(isFromBefore(1n, 1_000n)).toBe(false);
  });

  test.each([
    // By the newer of the two times, if the request began after it.
    [2_000n, 100_000n - slack - 1n, true],
    [2_000n, 100_000n - slack, false],
    [9_000n, 1n, true],
    // By the older one, if it began between them.
    [1_999n, 50_000n - slack - 1n, true],
    [1_999n, 50_000n - slack, false],
    [1_000n, 1n, true],
    // Before both, nothing is certain.
    [999n, 1n, false],
  ])('a request that began at %i, goroutine %i: %s', (start, goid, expected) => {
    set({ now: 200_000n, goid: [50_000n, 100_000n], ktimeNs: [1_000n, 2_000n] });
    expect(isFromBefore(goid, start)).toBe(expected);
  });

  test('the first call of another: the highest id counts, and times move on by a second at the least', () => {
    object.map('go_newest').delete(key);
    run('test_note', 7n);
    expect(get()).toMatchObject({ now: 7n, goid: [0n, 0n] });
    set({ now: 7n, goid: [3n, 5n], ktimeNs: [1n, 2n] });
    run('test_note', 9n);
    const after = get();
    expect(after).toMatchObject({ now: 9n, goid: [5n, 9n] });
    expect(after.ktimeNs[0]).toBe(2n);
    expect(after.ktimeNs[1]).toBeGreaterThan(2n);
    // Not within a second, and not by an older goroutine.
    set({ ...after, ktimeNs: [after.ktimeNs[0], 2n ** 62n] });
    run('test_note', 8n);
    expect(get()).toMatchObject({ now: 9n, goid: [5n, 9n] });
  });
});
