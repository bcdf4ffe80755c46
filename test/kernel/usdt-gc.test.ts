/** Garbage collections as spans, against what the runtimes themselves say of them. */
import { existsSync, globSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startCommanded } from '../support/commanded.ts';
import { type KernelWatch, watchKernel } from '../support/kernel-leftovers.ts';
import type { DecodedSpan } from '../support/otlp-receiver.ts';
import { describeKernel } from './native-fixture.ts';
import { useUsdtWorld } from './usdt-world.ts';

const fixtures = resolve(import.meta.dirname, '../fixtures/usdt');
const toleranceMs = 1;

function milliseconds({ startUnixNs, endUnixNs }: DecodedSpan): number {
  return Number(endUnixNs - startUnixNs) / 1e6;
}

describeKernel('garbage collection', () => {
  let watch: KernelWatch;
  const world = useUsdtWorld();
  beforeAll(() => {
    watch = watchKernel();
  });
  afterAll(() => watch.assertNothingLeft());

  // Every pause, by a probe of the test's own. The definition itself leaves out those under a millisecond.
  const everyPause = `
probes:
  - span: pause
    usdt: { provider: hotspot, start: gc__begin, end: gc__end }
    in: { file: libjvm.so }
`;
  const machines = globSync('/usr/lib/jvm/*/bin/java').filter((path) => !/\/java-1\./.test(path));
  const collectors = ['-XX:+UseG1GC', '-XX:+UseSerialGC'];

  test('there is a JVM to test with', () => expect(machines.length).toBeGreaterThan(0));

  describe.each(machines)('%s', (java) => {
    test.each(collectors)("%s: spans as long as the JVM's own log says", async (collector) => {
      const log = join(world.directory, 'gc.log');
      const agent = await world.agent(everyPause, { exeGlobs: ['*/bin/java'] });
      // Started after the agent: its loader maps libjvm.so some time after the program began.
      const jvm = await startCommanded(java, [
        '-Xmx128m',
        '-XX:TieredStopAtLevel=1',
        collector,
        `-Xlog:gc:file=${log}:uptimenanos`,
        join(fixtures, 'Churn.java'),
      ]);
      try {
        await agent.attached(jvm.pid);
        const before = pauses(log).length;
        expect(await jvm.ask('churn')).toBe('ok');
        const logged = pauses(log).slice(before);
        const { report } = await agent.stop();
        const ours = world.receiver.spans().filter((span) => span.resource['process.pid'] === jvm.pid);
        ours.sort((a, b) => Number(a.startUnixNs - b.startUnixNs));
        // The compiler of the source file also collects, while the agent is on its way.
        const seen = ours.filter(({ name }) => name === 'pause').slice(-logged.length);
        expect(logged.length).toBeGreaterThan(5);
        expect(seen).toHaveLength(logged.length);
        // On a busy machine another thread can run between the JVM's clock and the probe. That happens to few.
        const off = seen.map((span, n) => ({ by: Math.abs(milliseconds(span) - logged[n]!.ms), ...logged[n]! }));
        const farOff = off.filter(({ by }) => by >= toleranceMs);
        expect(farOff.length, JSON.stringify(farOff)).toBeLessThanOrEqual(off.length / 5);
        const named = ours.filter(({ name }) => name === 'gc');
        const long = ours.filter((span) => span.name === 'pause' && milliseconds(span) > 1.05);
        const notShort = ours.filter((span) => span.name === 'pause' && milliseconds(span) > 0.95);
        expect(named.length).toBeGreaterThanOrEqual(long.length);
        expect(named.length).toBeLessThanOrEqual(notShort.length);
        for (const { attributes, kind, resource } of named) {
          expect(attributes['jvm.gc.name']).toMatch(
            /^(G1 (Young|Old) Generation|G1 Concurrent GC|Copy|MarkSweepCompact)$/,
          );
          expect(Object.keys(attributes)).toEqual(['jvm.gc.name']);
          expect([kind, resource['process.executable.path']]).toEqual([1, java]);
        }
        expect(report.probes.filter(({ definition }) => definition === 'jvm/gc').length).toBeGreaterThanOrEqual(3);
      } finally {
        await jvm.stop();
      }
    });
  });

  test("CPython: spans as long as gc.callbacks say, with generation and what was collected: 'python/gc'", async () => {
    const python = ['/usr/bin/python3.11', ...globSync('/usr/bin/python3.[0-9]*')].find((path) => existsSync(path));
    const program = await world.start(python!, [join(fixtures, 'churn.py')]);
    const agent = await world.agent('', { exeGlobs: [python!] });
    const told: { ns: number; generation: number; collected: number }[] = JSON.parse(await program.ask('churn'));
    // Two have next to nothing to do, and stay below the definition's millisecond.
    const long = told.filter(({ collected }) => collected > 10);
    expect([told.length, long.length]).toEqual([7, 5]);
    const spans = await world.spans(program.pid, long.length);
    for (const [n, span] of spans.entries()) {
      const { ns, generation, collected } = long[n]!;
      expect(span.name).toBe('gc');
      expect(span.attributes).toEqual({
        'cpython.gc.generation': generation,
        'cpython.gc.collected_objects': collected,
      });
      expect(Math.abs(milliseconds(span) - ns / 1e6)).toBeLessThan(toleranceMs);
    }
    const { report } = await agent.stop();
    expect(report.probes.filter(({ definition }) => definition === 'python/gc')).toHaveLength(2);
    expect(report.counters.too_short).toBe(2);
    expect(report.lostTotal).toBe(0);
  });

  test('left out by --without', async () => {
    const program = await world.start('/usr/bin/python3.11', [join(fixtures, 'churn.py')]);
    const agent = await world.agent('without: [jvm/gc]', { exeGlobs: ['*/python*'], extra: ['--without', 'python/*'] });
    await program.ask('churn');
    expect((await agent.stop()).report.probes).toEqual([]);
  });
});

/** Stop-the-world pauses of a log: `[123ns] GC(4) Pause Young (Normal) (G1 Evacuation Pause) 12M->4M(256M) 9.510ms`. */
function pauses(log: string): { text: string; ms: number }[] {
  if (!existsSync(log)) return [];
  return [...readFileSync(log, 'utf8').matchAll(/GC\(\d+\) (Pause .*) (\d+\.\d+)ms$/gm)].map(([, text, ms]) => ({
    text: text!,
    ms: Number(ms),
  }));
}
