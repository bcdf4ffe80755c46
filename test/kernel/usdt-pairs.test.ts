/** Pairs of USDT probes that a user declares, on programs with arguments in every kind of location. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type KernelWatch, watchKernel } from '../support/kernel-leftovers.ts';
import { describeKernel } from './native-fixture.ts';
import { useUsdtWorld } from './usdt-world.ts';

const shop = `
probes:
  - span: "order {id}"
    usdt: { provider: shop, start: open, during: step, end: close }
    args:
      id: { arg: 0, type: i32 }
      name: { arg: 1, type: string, length: 2 }
      text: { arg: 1, type: string }
      price: { arg: 3, type: f64 }
      stock: { arg: 4, type: i64 }
      urgent: { arg: 5, type: bool }
      urgent.raw: { arg: 5, type: u8 }
      steps: { of: during, arg: 0, type: u32 }
      status: { of: end, arg: 0, type: i16 }
`;

const ids = `
probes:
  - span: order
    usdt: { provider: shop, start: open, end: close }
    args: { id: { arg: 0, type: i32 }, status: { of: end, arg: 0, type: i32 } }
`;

describeKernel('USDT pairs', () => {
  let watch: KernelWatch;
  const world = useUsdtWorld();
  beforeAll(() => {
    watch = watchKernel();
  });
  afterAll(() => watch.assertNothingLeft());

  test.each(['pairs', 'pairs-fixed'] as const)('%s: six sites, six kinds of places, typed values', async (name) => {
    const path = world.program(name);
    const program = await world.start(path);
    const agent = await world.agent(shop, { exeGlobs: [path] });
    await program.ask('forms');
    const spans = await world.spans(program.pid, 6);
    const value = (id: number, text: string, rest: Record<string, unknown>) => {
      return { id, name: text, text, status: id, ...rest };
    };
    // Beyond 2^53 it is in digits. One argument of six is thread-local, and only that one is missing.
    expect(spans.map(({ attributes }) => attributes)).toEqual([
      value(1, 'one', { price: 0.1, stock: 1, urgent: false, 'urgent.raw': 0 }),
      value(2, 'two', { price: 2.5, stock: -9_000_000_000, urgent: true, 'urgent.raw': 1 }),
      value(3, 'three', { price: 3.25, stock: '-9223372036854775808', urgent: true, 'urgent.raw': 1 }),
      value(4, 'four', { price: -4.5, stock: '9223372036854775807', urgent: false, 'urgent.raw': 0 }),
      value(5, 'five', { price: 5.5, stock: '9007199254740992', urgent: true, 'urgent.raw': 255 }),
      {
        ...{ name: 'three', text: 'three', price: 3.25, stock: '-9223372036854775808' },
        ...{ urgent: true, 'urgent.raw': 1, status: 6, 'uspan.unreadable': 'id' },
      },
    ]);
    expect(spans.map((span) => span.name)).toEqual(['order 1', 'order 2', 'order 3', 'order 4', 'order 5', 'order ?']);
    expect(new Set(spans.map(({ traceId }) => traceId)).size).toBe(6);
    for (const span of spans) {
      expect(span.kind).toBe(1);
      expect(span.status).toEqual({ code: 0, message: '' });
      expect(span.endUnixNs).toBeGreaterThan(span.startUnixNs);
    }
    const { report } = await agent.stop();
    expect(report.probes.map(({ moment, class: site, hits }) => `${moment} ${site} ${hits}`)).toEqual([
      ...Array(6).fill('start nop 6'),
      'during nop 0',
      'end nop 6',
    ]);
    expect(report.counters).toMatchObject({ argument_unreadable: 1, end_without_start: 0 });
    expect(report.lostTotal).toBe(0);
    expect(report.spans).toEqual({ server: 0, client: 0, internal: 6 });
  });

  test('threads do not meet, recursion nests, and what is told in between belongs to the innermost', async () => {
    const path = world.program('pairs');
    const program = await world.start(path);
    const agent = await world.agent(shop, { exeGlobs: [path] });
    await program.ask('threads 16 50');
    const flat = await world.spans(program.pid, 800);
    expect(flat.map(({ attributes }) => attributes.id).sort()).toEqual(
      Array.from({ length: 800 }, (_, n) => 1000 + n).sort(),
    );
    for (const { attributes, parentSpanId } of flat) {
      expect(attributes.status).toBe(attributes.id);
      expect(attributes.price).toBe((attributes.id as number) / 4);
      expect(parentSpanId).toBeUndefined();
    }
    world.receiver.clear();
    await program.ask('nest 10');
    // Eight levels are followed. The two innermost, 2 and 1, are counted as lost.
    const nested = await world.spans(program.pid, 8);
    expect(nested.map(({ attributes }) => attributes.id)).toEqual([10, 9, 8, 7, 6, 5, 4, 3]);
    for (const [depth, span] of nested.entries()) {
      expect(span.attributes.status).toBe(span.attributes.id);
      expect(span.attributes.steps).toBe(span.attributes.id);
      expect(span.traceId).toBe(nested[0]!.traceId);
      expect(span.parentSpanId).toBe(nested[depth - 1]?.spanId);
    }
    const { report } = await agent.stop();
    expect(report.counters).toMatchObject({ lost_too_deep: 2, end_without_start: 0, lost_never_ended: 0 });
    expect(report.lost.filter(({ count }) => count > 0)).toEqual([{ stage: 'bpf', reason: 'too_deep', count: 2 }]);
  });

  test('starts without an end and ends without a start are counted, and spoil nothing', async () => {
    const path = world.program('pairs');
    const program = await world.start(path);
    const agent = await world.agent(ids, { exeGlobs: [path] });
    await program.ask('close 3');
    await program.ask('open 5');
    await program.ask('pair 77 x');
    await program.ask('close 2');
    await program.ask('pair 78 y');
    const spans = await world.spans(program.pid, 2);
    expect(spans.map(({ attributes }) => attributes)).toEqual([
      { id: 77, status: 77 },
      { id: 78, status: 78 },
    ]);
    for (const { parentSpanId } of spans) expect(parentSpanId).toBeUndefined();
    const { report } = await agent.stop();
    expect(report.counters).toMatchObject({ end_without_start: 5, lost_never_ended: 5 });
  });

  test('threads that come and go leave no room taken', async () => {
    const path = world.program('pairs');
    const program = await world.start(path);
    const agent = await world.agent(ids, { exeGlobs: [path], extra: ['--max-in-flight', '64'] });
    for (let round = 0; round < 4; round++) await program.ask('threads 64 5');
    const spans = await world.spans(program.pid, 4 * 64 * 5);
    for (const { attributes } of spans) expect(attributes.status).toBe(attributes.id);
    expect((await agent.stop()).report.lostTotal).toBe(0);
  });

  test('forked children, without a file of their own', async () => {
    const path = world.program('pairs');
    const program = await world.start(path);
    await world.agent(ids, { exeGlobs: [path] });
    const children: number[] = [];
    for (let id = 1; id <= 3; id++) children.push(Number(await program.ask(`fork ${id}`)));
    for (const [n, child] of children.entries()) {
      const [span] = await world.spans(child, 1);
      expect(span!.attributes).toEqual({ id: n + 1, status: n + 1 });
      expect(span!.resource['process.executable.path']).toBe(path);
    }
  });

  test('a library opened after the attach, and one that was there before', async () => {
    const path = world.program('pairs');
    const library = world.program('liblate.so');
    const config = `
probes:
  - span: work
    usdt: { provider: late, start: begin, end: end }
    in: { file: "liblate.so*" }
    args: { number: { arg: 0, type: i32 } }
`;
    const first = await world.start(path);
    expect(await first.ask(`library ${library}`)).toBe('ok');
    const agent = await world.agent(config, { exeGlobs: [path] });
    expect(await first.ask(`library ${library}`)).toBe('ok');
    expect((await world.spans(first.pid, 3)).map(({ attributes }) => attributes.number)).toEqual([0, 1, 2]);
    // The file is known: the kernel puts the probes in when another process maps it.
    const second = await world.start(path);
    expect(await second.ask(`library ${library}`)).toBe('ok');
    await world.spans(second.pid, 3);
    // A copy is another file, which is found when uspan looks at the young process again.
    const third = await world.start(path);
    const copy = world.program('liblate.so');
    expect(await third.ask(`library ${copy}`)).toBe('ok');
    await agent.attached(third.pid);
    expect(await third.ask(`library ${copy}`)).toBe('ok');
    await world.spans(third.pid, 3);
  });

  test('two processes of one file: attached once', async () => {
    const path = world.program('pairs');
    const programs = [await world.start(path), await world.start(path)];
    const agent = await world.agent(ids, { exeGlobs: [path] });
    for (const [n, program] of programs.entries()) await program.ask(`pair ${n} x`);
    for (const [n, program] of programs.entries()) {
      const [span] = await world.spans(program.pid, 1);
      expect(span!.attributes.id).toBe(n);
    }
    expect((await agent.stop()).report.probes).toHaveLength(7);
  });

  test('by pid, with what it forks; its neighbours of the same file are left alone', async () => {
    const path = world.program('pairs');
    const [wanted, other] = [await world.start(path), await world.start(path)];
    const agent = await world.agent(ids, { pids: [wanted.pid] });
    await other.ask('pair 1 x');
    await wanted.ask('pair 2 x');
    const child = Number(await wanted.ask('fork 3'));
    await world.spans(wanted.pid, 1);
    await world.spans(child, 1);
    const { report } = await agent.stop();
    expect(report.spans.internal).toBe(2);
    expect(report.counters.other_process).toBe(1);
  });

  test('min_duration and max_per_second act in the kernel', async () => {
    const path = world.program('pairs');
    const program = await world.start(path);
    const agent = await world.agent(
      `${ids}    min_duration: 20ms
  - span: limited
    usdt: { provider: shop, start: open, end: close }
    max_per_second: 5
`,
      { exeGlobs: [path] },
    );
    await program.ask('threads 1 1000');
    await program.ask('slow 5 30');
    const { report } = await agent.stop();
    const spans = world.receiver.spans();
    const slow = spans.filter(({ name }) => name === 'order');
    expect(slow.map(({ attributes }) => attributes.id)).toEqual([5]);
    // Five at once, and what a second allows while the loop ran.
    const limited = spans.filter(({ name }) => name === 'limited').length;
    expect(limited).toBeGreaterThanOrEqual(5);
    expect(limited).toBeLessThan(100);
    expect(report.counters.too_short).toBe(1000);
    expect(report.counters.rate_limited).toBe(1001 - limited);
    expect(report.lostTotal).toBe(0);
  });

  test('long texts are cut and marked, and many of them do not overflow', async () => {
    const path = world.program('pairs');
    const program = await world.start(path);
    const args = Array.from({ length: 12 }, (_, n) => `      t${n}: { arg: 1, type: string }`).join('\n');
    await world.agent(
      `probes:
  - span: long
    usdt: { provider: shop, start: open, end: close }
    args:
${args}
`,
      { exeGlobs: [path] },
    );
    const texts = ['x'.repeat(255), 'y'.repeat(256), `${'z'.repeat(99)}ü`];
    for (const text of texts) await program.ask(`pair 1 ${text}`);
    const [whole, cut, utf8] = (await world.spans(program.pid, 3)).map(({ attributes }) => attributes);
    expect(whole).toMatchObject({ t0: texts[0], t1: texts[0] });
    expect(cut).toMatchObject({ t0: 'y'.repeat(255), t1: 'y'.repeat(255) });
    expect(utf8).toMatchObject({ t0: texts[2], t1: texts[2] });
    for (const attributes of [whole, cut, utf8]) {
      const marked = String(attributes!['uspan.truncated']).split(',');
      // What had no room is marked, and none of it becomes an empty text.
      for (let n = 0; n < 12; n++) expect(`t${n}` in attributes! || marked.includes(`t${n}`)).toBe(true);
      expect(Object.values(attributes!)).not.toContain('');
    }
  });

  test('a text on a page never touched is read, not empty', async () => {
    const path = world.program('pairs');
    const file = join(world.directory, 'cold.txt');
    writeFileSync(file, 'cold text'.padEnd(4096, '\0'));
    const program = await world.start(path);
    await world.agent(shop, { exeGlobs: [path] });
    await program.ask(`cold ${file}`);
    const [span] = await world.spans(program.pid, 1);
    expect(span!.attributes).toMatchObject({ name: 'cold text', text: 'cold text' });
    expect(span!.attributes).not.toHaveProperty('uspan.unreadable');
  });
});
