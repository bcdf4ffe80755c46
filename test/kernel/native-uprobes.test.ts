import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { loadNative } from '../../src/native.ts';
import { type KernelWatch, watchKernel } from '../support/kernel-leftovers.ts';
import {
  buildNativeFixture,
  describeKernel,
  hits,
  type NativeFixture,
  startTarget,
  type Target,
} from './native-fixture.ts';

const native = loadNative();
const multi = native.probeFeature('uprobeMulti').supported;

let fixture: NativeFixture;
let target: Target;
let watch: KernelWatch;
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
  await watch.assertNothingLeft();
});

const attach = (program: string, sites: readonly [symbol: string, cookie: bigint][], more: object = {}) => ({
  program,
  path: fixture.target,
  offsets: new BigUint64Array(sites.map(([symbol]) => fixture.offset(symbol))),
  cookies: new BigUint64Array(sites.map(([, cookie]) => cookie)),
  ...more,
});

for (const uprobeMulti of multi ? [true, false] : [false]) {
  describeKernel(uprobeMulti ? 'uprobe_multi' : 'perf uprobes', () => {
    test('counts every hit of several sites under its cookie', async () => {
      const object = fixture.open({ uprobeMulti });
      const link = object.attachUprobes(
        attach('count_hit', [
          ['first', 1n],
          ['second', 2n],
          ['third', 0xffff_ffff_ffff_fff0n],
        ]),
      );
      expect([link.kind, link.count]).toEqual(uprobeMulti ? ['uprobe_multi', 1] : ['perf', 3]);
      await target.call('first', 1000);
      await target.call('second', 10);
      await target.callInThread('third', 7);
      expect([hits(object, 1n), hits(object, 2n), hits(object, 0xffff_ffff_ffff_fff0n)]).toEqual([1000, 10, 7]);
      await link.close();
      await target.call('first', 5);
      expect(hits(object, 1n)).toBe(1000);
      await object.close();
    });

    test('sees a program that starts after the attach', async () => {
      const object = fixture.open({ uprobeMulti });
      const link = object.attachUprobes(attach('count_hit', [['first', 1n]]));
      const late = await startTarget(fixture.target);
      await late.call('first', 3);
      await late.stop();
      expect(hits(object, 1n)).toBe(3);
      await link.close();
      await object.close();
    });

    test('attaches through the descriptor of a mapped file whose name is gone', async () => {
      const file = native.mapFile(fixture.target, 1 << 20);
      const object = fixture.open({ uprobeMulti });
      const link = object.attachUprobes({ ...attach('count_hit', [['first', 1n]]), path: `/proc/self/fd/${file.fd}` });
      file.close();
      await target.call('first', 4);
      expect(hits(object, 1n)).toBe(4);
      await link.close();
      await object.close();
    });

    test('with a pid, sees all threads of that process and no other process', async () => {
      const other = await startTarget(fixture.target);
      const object = fixture.open({ uprobeMulti });
      const link = object.attachUprobes(attach('count_hit', [['first', 1n]], { pid: target.pid }));
      await other.call('first', 100);
      await target.call('first', 2);
      await target.callInThread('first', 3);
      expect(hits(object, 1n)).toBe(5);
      await link.close();
      await object.close();
      await other.stop();
    });

    test('fires at the return', async () => {
      const object = fixture.open({ uprobeMulti });
      const link = object.attachUprobes(attach('count_hit', [['first', 1n]], { mode: 'return' }));
      await target.call('first', 6);
      expect(hits(object, 1n)).toBe(6);
      await link.close();
      await object.close();
    });

    test('refuses another mode: E_NATIVE', async () => {
      const object = fixture.open({ uprobeMulti });
      expect(() => object.attachUprobes(attach('count_hit', [['first', 1n]], { mode: 'session' }))).toThrow(
        expect.objectContaining({ code: 'E_NATIVE', message: expect.stringContaining('mode') }),
      );
      await object.close();
    });

    test('raises the semaphore while attached', async () => {
      const object = fixture.open({ uprobeMulti });
      const refCtrOffsets = new BigUint64Array([fixture.offset('semaphore')]);
      expect(await target.semaphore()).toBe(0);
      const link = object.attachUprobes(attach('count_hit', [['first', 1n]], { refCtrOffsets }));
      expect(await target.semaphore()).toBe(1);
      await link.close();
      expect(await target.semaphore()).toBe(0);
      await object.close();
    });

    test('one bad offset: E_ATTACH, and the good sites are not attached', async () => {
      const object = fixture.open({ uprobeMulti });
      const options = attach('count_hit', [
        ['first', 1n],
        ['second', 2n],
        ['third', 3n],
      ]);
      options.offsets[2] = 1n << 40n;
      expect(() => object.attachUprobes(options)).toThrow(
        expect.objectContaining({ code: 'E_ATTACH', errno: 22, message: expect.stringContaining('count_hit') }),
      );
      await target.call('first', 10);
      expect(hits(object, 1n)).toBe(0);
      await object.close();
    });

    test('a missing file: E_ATTACH with ENOENT', async () => {
      const object = fixture.open({ uprobeMulti });
      const options = { ...attach('count_hit', [['first', 1n]]), path: '/nonexistent/program' };
      expect(() => object.attachUprobes(options)).toThrow(expect.objectContaining({ code: 'E_ATTACH', errno: 2 }));
      await object.close();
    });

    test('more links than there are threads to close them', async () => {
      const object = fixture.open({ uprobeMulti });
      const sites = Array.from({ length: 20 }, (_, n): [string, bigint] => [n % 2 ? 'first' : 'second', BigInt(n)]);
      const links = [
        object.attachUprobes(attach('count_hit', sites)),
        object.attachUprobes(attach('count_hit', sites)),
      ];
      expect(links.map(({ count }) => count)).toEqual(uprobeMulti ? [1, 1] : [20, 20]);
      await target.call('first', 1);
      await Promise.all(links.map((link) => link.close()));
      await target.call('first', 1);
      expect(sites.map(([, cookie]) => hits(object, cookie))).toEqual(sites.map((_, n) => (n % 2 ? 2 : 0)));
      await object.close();
    });

    test('links close side by side, twice is once, and closing the object closes the rest', async () => {
      const object = fixture.open({ uprobeMulti });
      const links = ['first', 'second', 'third'].map((symbol, index) =>
        object.attachUprobes(attach('count_hit', [[symbol, BigInt(index)]])),
      );
      const closing = links.slice(0, 2).map((link) => link.close());
      expect(links[0]!.close()).toBe(closing[0]);
      await Promise.all(closing);
      expect(await links[0]!.close()).toBeUndefined();
      const closed = object.close();
      expect(object.close()).toBe(closed);
      await closed;
      await links[2]!.close();
    });
  });
}
