/**
 * The least that must work under every supported kernel. scripts/test-kernels.sh also runs it under others in qemu. A guest compiles and
 * fetches nothing: the Go fixture comes from the cache that the run on this kernel fills.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { loadNative } from '../../src/native.ts';
import { startCommanded } from '../support/commanded.ts';
import { get, RawConnection } from '../support/http.ts';
import { type KernelWatch, watchKernel } from '../support/kernel-leftovers.ts';
import type { DecodedSpan } from '../support/otlp-receiver.ts';
import { hitsOf, spansOf, useWorld } from './go-world.ts';
import { describeKernel } from './native-fixture.ts';

/** An emulated machine is 10 to 30 times slower. */
const withinMs = 120_000;
/** The verifier gives up at a million, and takes about a second for that. The size of each program is in test/contract. */
const maxVerifiedInstructions = 300_000;
const objects = join(import.meta.dirname, '../../build/bpf');

describeKernel('the core of uspan', () => {
  let watch: KernelWatch;
  const world = useWorld();
  let multi: boolean;
  beforeAll(() => {
    multi = loadNative().probeFeature('uprobeMulti').supported;
    watch = watchKernel();
  });
  afterAll(() => watch.assertNothingLeft(withinMs));

  // contract.bpf.o only carries types.
  const names = readdirSync(objects).filter((file) => file.endsWith('.bpf.o') && file !== 'contract.bpf.o');

  test('there are objects to load', () => {
    expect(names).toContain('go_http.bpf.o');
  });

  // It is for kernels where a probe can sleep, and is opened on no others.
  const sleepable = 'usdt_sleepable.bpf.o';
  const sleeps = loadNative().probeFeature('copyFromUserStr').supported;
  const open = (name: string, uprobeMulti: boolean) =>
    loadNative().openObject({ object: readFileSync(join(objects, name)), name, uprobeMulti });

  test.each(names.filter((name) => name !== sleepable || sleeps))(
    '%s loads, for multi links and for perf links',
    async (name) => {
      for (const uprobeMulti of name === sleepable ? [true] : multi ? [true, false] : [false]) {
        const object = open(name, uprobeMulti);
        for (const program of object.programs()) {
          expect(program.verifiedInstructions, program.name).toBeGreaterThan(0);
          expect(program.verifiedInstructions, program.name).toBeLessThan(maxVerifiedInstructions);
        }
        await object.close();
      }
    },
  );

  if (!sleeps) {
    test(`${sleepable} does not load, as its feature says`, () => {
      expect(() => open(sleepable, multi)).toThrow(expect.objectContaining({ code: 'E_BPF_LOAD' }));
    });
  }

  // Both ways in which Go has kept maps.
  test.each(['1.23', '1.26'] as const)('spans of a Go %s server reach a collector', async (go) => {
    const server = await world.server(await world.binary(go));
    const agent = await world.agent({ pids: [server.pid] });
    const traceId = '4bf92f3577b34da6a3ce929d0e0e4736';
    const headers = {
      ...Object.fromEntries(Array.from({ length: 20 }, (_, n) => [`X-Header-${n}`, 'v'])),
      traceparent: `00-${traceId}-00f067aa0ba902b7-01`,
    };
    const connection = await RawConnection.open(server.port);
    for (let n = 0; n < 10; n++) await connection.request({ target: `/items/${n}?n=${n}`, headers });
    await connection.close();
    await expect(get(server.port, '/panic')).rejects.toThrow('closed');
    const spans = await spansOf(world.receiver, server.pid, 11, withinMs);
    spans.slice(0, 10).forEach((span, n) => {
      expect(span).toMatchObject({
        name: 'GET /items/{id}',
        traceId,
        attributes: { 'url.path': `/items/${n}`, 'url.query': `n=${n}`, 'http.response.status_code': 200 },
      });
    });
    expect(spans[10]!.attributes).toMatchObject({ 'url.path': '/panic', 'error.type': 'panic' });
    const stopped = await agent.stop();
    expect([hitsOf(stopped, 'start'), hitsOf(stopped, 'end'), hitsOf(stopped, 'panic')]).toEqual([11, 10, 1]);
    expect(stopped.report.lost).toEqual([]);
    for (const { link } of stopped.report.probes) expect(link).toBe(multi ? 'uprobe_multi' : 'perf');
    await watch.assertNothingLeft(withinMs);
    // After the detach the program goes on as if nothing had happened.
    expect((await get(server.port, '/hello')).status).toBe(200);
  });

  test('USDT probes with semaphores: collections of CPython', async () => {
    const python = await startCommanded('/usr/bin/python3.11', [
      join(import.meta.dirname, '../fixtures/usdt/churn.py'),
    ]);
    try {
      const agent = await world.agent({ pids: [python.pid] });
      const told: { generation: number; collected: number }[] = JSON.parse(await python.ask('churn'));
      const long = told.filter(({ collected }) => collected > 10);
      const isLong = ({ attributes }: DecodedSpan) => Number(attributes['cpython.gc.collected_objects']) > 10;
      const seen = () => world.receiver.spans().filter(isLong);
      await expect.poll(() => seen().length, { timeout: withinMs }).toBe(long.length);
      expect(seen().map(({ attributes }) => attributes['cpython.gc.generation'])).toEqual(
        long.map(({ generation }) => generation),
      );
      const { report } = await agent.stop();
      expect(report.probes.map(({ link, hits }) => [link, hits])).toEqual(
        Array(2).fill([multi ? 'uprobe_multi' : 'perf', told.length]),
      );
    } finally {
      await python.stop();
    }
  });

  test('a program that starts later is noticed', async () => {
    const path = await world.binary('1.26');
    const agent = await world.agent({ exeGlobs: [path] });
    const server = await world.server(path);
    await agent.attached(server.pid, withinMs);
    await get(server.port, '/hello');
    await spansOf(world.receiver, server.pid, 1, withinMs);
    await agent.stop();
  });

  test('SIGKILL leaves nothing in the kernel and the program running', async () => {
    const server = await world.server(await world.binary('1.26'));
    const agent = await world.agent({ pids: [server.pid] });
    await get(server.port, '/hello');
    await agent.kill9();
    await watch.assertNothingLeft(withinMs);
    expect((await get(server.port, '/hello')).status).toBe(200);
  });
});
