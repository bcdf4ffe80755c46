/** What careless probes do to other people's programs, and uspan's must not. */
import { execFileSync } from 'node:child_process';
import { copyFileSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { attributeKey } from '../../src/contract/attribute-key.ts';
import type { ProbeDefinition } from '../../src/contract/decision.ts';
import { ObjectSpanWriter } from '../../src/otel/object-span-writer.ts';
import type { SpanObject } from '../../src/otel/span-object.ts';
import { Attacher } from '../../src/probes/attach/attacher.ts';
import { inspectFile } from '../../src/probes/attach/inspect.ts';
import { Correlator } from '../../src/probes/correlate.ts';
import { counterNames } from '../../src/probes/layout.gen.ts';
import { usdtPair } from '../../src/probes/pair/usdt-pair.ts';
import { ProbeTable } from '../../src/probes/probe-table.ts';
import { newSlab } from '../../src/probes/slab.ts';
import { type KernelWatch, watchKernel } from '../support/kernel-leftovers.ts';
import { buildNativeFixture, describeKernel } from './native-fixture.ts';
import { useUsdtWorld } from './usdt-world.ts';

const pairOf = (provider: string, start: string, end: string) => `
probes:
  - span: canary
    usdt: { provider: ${provider}, start: ${start}, end: ${end} }
    args: { value: { arg: 0, type: u64 } }
`;

describeKernel('canaries', () => {
  let watch: KernelWatch;
  const world = useUsdtWorld();
  beforeAll(() => {
    watch = watchKernel();
  });
  afterAll(() => watch.assertNothingLeft());

  test('red zone: a probed `nop, nop5` leaves what lies below the stack pointer alone', async () => {
    const path = world.program('red-zone');
    const program = await world.start(path);
    const agent = await world.agent(`${pairOf('red', 'start', 'end')}    max_per_second: 100\n`, { exeGlobs: [path] });
    expect(await program.ask('20000')).toBe('0');
    const { report } = await agent.stop();
    expect(report.probes.map(({ moment, class: site, hits }) => [moment, site, hits])).toEqual([
      ['start', 'nop', 20_000],
      ['end', 'nop', 20_000],
    ]);
    // The argument is in the red zone itself. It is read before anything could write there.
    const values = world.receiver.spans().map(({ attributes }) => Number(attributes.value));
    expect(values.length).toBeGreaterThan(50);
    for (const value of values) expect([value % 0x10001, value > 0]).toEqual([0, true]);
  });

  test('exceptions leave probed functions, and the program lives', async () => {
    const path = world.program('throws');
    const program = await world.start(path);
    const agent = await world.agent(pairOf('throws', 'start', 'end'), { exeGlobs: [path] });
    const native = buildNativeFixture();
    const object = native.open();
    try {
      const offset = fileOffsetOf(path, 'passes');
      const link = object.attachUprobes({
        program: 'count_hit',
        path,
        offsets: BigUint64Array.of(offset),
        cookies: BigUint64Array.of(1n),
      });
      expect(await program.ask('5000')).toBe('4500');
      await link.close();
    } finally {
      await object.close();
      native.remove();
    }
    const { report } = await agent.stop();
    // Each tenth call comes to its end. Those before it, which threw, began in the same frame and are known to be lost.
    expect(report.spans.internal).toBe(500);
    expect(report.counters).toMatchObject({ lost_never_ended: 4499, end_without_start: 0 });
    expect(await program.stop()).toBe(0);
  });

  test('the same with a return probe would end it: no definition can ask for one', async () => {
    const path = world.program('throws');
    const program = await world.start(path);
    const native = buildNativeFixture();
    const object = native.open();
    try {
      const link = object.attachUprobes({
        program: 'count_hit',
        path,
        offsets: BigUint64Array.of(fileOffsetOf(path, 'passes')),
        cookies: BigUint64Array.of(1n),
        mode: 'return',
      });
      await expect(program.ask('10')).rejects.toThrow('SIGABRT');
      await link.close();
    } finally {
      await object.close();
      native.remove();
    }
  });

  test('SIGKILL: semaphores go back to zero', async () => {
    const path = world.program('pairs');
    const program = await world.start(path);
    expect(await program.ask('semaphore')).toBe('0');
    const agent = await world.agent(pairOf('shop', 'open', 'close'), { exeGlobs: [path] });
    expect(Number(await program.ask('semaphore'))).toBeGreaterThan(0);
    const late = await world.start(path);
    expect(Number(await late.ask('semaphore'))).toBeGreaterThan(0);
    await agent.kill9();
    for (const each of [program, late]) await until(async () => (await each.ask('semaphore')) === '0');
  });

  test('overlay: one file under two mounts, each event once', async () => {
    const built = world.program('pairs');
    const mounts: string[] = [];
    const mount = (to: string, type: string, options: string[]) => {
      execFileSync('mount', ['-t', type, ...options, type, to]);
      mounts.push(to);
    };
    const root = join(world.directory, 'mounts');
    mkdirSync(root);
    try {
      // An overlay cannot have its upper directory on another overlay.
      mount(root, 'tmpfs', []);
      const lower = join(root, 'lower');
      mkdirSync(lower);
      copyFileSync(built, join(lower, 'pairs'));
      const programs = [];
      for (const name of ['first', 'second']) {
        const [upper, work, merged] = ['upper', 'work', 'merged'].map((part) => join(root, name, part));
        for (const part of [upper!, work!, merged!]) mkdirSync(part, { recursive: true });
        mount(merged!, 'overlay', ['-o', `lowerdir=${lower},upperdir=${upper},workdir=${work}`]);
        programs.push(await world.start(join(merged!, 'pairs')));
      }
      const agent = await world.agent(pairOf('shop', 'open', 'close'), { exeGlobs: [`${root}/*`] });
      for (const program of programs) for (let n = 0; n < 5; n++) await program.ask(`pair ${n} x`);
      for (const program of programs) await world.spans(program.pid, 5);
      const { report } = await agent.stop();
      expect(report.probes.filter(({ moment }) => moment === 'end').map(({ hits }) => hits)).toEqual([10]);
      await Promise.all(programs.map((program) => program.stop()));
    } finally {
      for (const to of mounts.reverse()) execFileSync('umount', ['-l', to]);
    }
  });

  test('a cold page without sleeping programs: marked and counted, never empty', async () => {
    const path = world.program('pairs');
    const file = join(world.directory, 'cold.txt');
    writeFileSync(file, 'cold text'.padEnd(4096, '\0'));
    const program = await world.start(path);
    const { sleepable: _, ...definition } = usdtPair({
      name: 'test/plain',
      library: 'test',
      versions: 'any',
      provider: 'shop',
      start: 'open',
      end: 'close',
      libraries: /^$/,
      spanName: ['cold ', 0],
      arguments: [{ key: attributeKey('text'), of: 'start', argument: 1, type: 'string' }],
      minDurationNs: 0,
      maxPerSecond: 0,
    });
    const { spans, counters } = await traced(path, definition, () => program.ask(`cold ${file}`));
    expect(spans.map(({ name, attributes }) => [name, attributes])).toEqual([
      ['cold ?', { 'uspan.unreadable': 'text' }],
    ]);
    expect(counters).toMatchObject({ argument_unreadable: 1 });
  });
});

/** Attaches one definition in this process. Gives its spans, and the counters by name. */
async function traced(path: string, definition: ProbeDefinition, act: () => Promise<unknown>) {
  const sampler = { kind: 'always_on', parentBased: true, ratio: 1 } as const;
  const config = { sampler, maxInFlight: 64, maxPathBytes: 1024, maxStatementBytes: 1024, ringBytes: 1 << 20 };
  const probes = new ProbeTable();
  const attacher = new Attacher([definition], config, probes);
  const spans: SpanObject[] = [];
  try {
    const options = { definitions: [definition], allowSingleStep: false, allowInstrumented: false };
    inspectFile({ path, openPath: path, role: 'executable' }, options, ({ decisions }, fd) => {
      for (const decision of decisions) {
        if (decision.do === 'attach') attacher.attach([decision], `/proc/self/fd/${fd}`, false);
      }
    });
    await act();
    const slab = newSlab(1 << 16);
    const correlator = new Correlator({
      probes,
      processes: { resourceOf: () => ({ attributes: {} }) },
      writer: new ObjectSpanWriter((span) => spans.push(span)),
      lose: (stage, reason) => expect.fail(`${stage} ${reason}`),
      onWriteError: (_, error) => expect.fail(String(error)),
    });
    correlator.write(slab, attacher.drain(slab.bytes));
    const counters = Object.fromEntries(attacher.counters().map((value, slot) => [counterNames[slot]!, value]));
    return { spans, counters };
  } finally {
    await attacher.close();
  }
}

/** File offset of a function, by binutils. These programs have their code at its link-time address, page by page. */
function fileOffsetOf(path: string, symbol: string): bigint {
  const address = new RegExp(`^(\\w+) T ${symbol}$`, 'm').exec(execFileSync('nm', [path]).toString())![1]!;
  const text = /\.text +PROGBITS +(\w+) (\w+)/.exec(execFileSync('readelf', ['-SW', path]).toString())!;
  return BigInt(`0x${address}`) - BigInt(`0x${text[1]}`) + BigInt(`0x${text[2]}`);
}

async function until(condition: () => Promise<boolean>): Promise<void> {
  const deadline = performance.now() + 10_000;
  while (!(await condition())) {
    if (performance.now() > deadline) throw new Error('not within 10 s');
    await sleep(10);
  }
}
