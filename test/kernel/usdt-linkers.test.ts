/** Programs and shared objects of every linker, whose probes have semaphores: nothing may stay in them. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { RunningAgent } from '../support/agent.ts';
import type { Commanded } from '../support/commanded.ts';
import { type KernelWatch, watchKernel } from '../support/kernel-leftovers.ts';
import { kernelLogOf } from '../support/kernel-log.ts';
import { textDifferences } from '../support/text-differences.ts';
import { describeKernel } from './native-fixture.ts';
import { useUsdtWorld } from './usdt-world.ts';

const sources = resolve(import.meta.dirname, '../fixtures/usdt');
const config = `
probes:
  - span: counted
    usdt: { provider: counted, start: begin, end: end }
    in: { file: "*counted*" }
    args: { id: { arg: 0, type: i32 } }
`;

const linkers = ['bfd', 'gold', 'lld', 'mold', 'rust'] as const;
type Linker = (typeof linkers)[number];

let directory: string;

function build(name: string, command: string, args: readonly string[]): string {
  const path = join(directory, name);
  execFileSync(command, ['-O', '-o', path, ...args], { cwd: sources });
  return path;
}

const cFlags = (linker: Linker) => ['-Wall', '-Wextra', '-Werror', '-rdynamic', `-fuse-ld=${linker}`];

/** The program to run, its argument, and the file with the probes. */
function buildProgram(linker: Linker): { command: string; args: string[]; probed: string } {
  const command =
    linker === 'rust'
      ? build('counted-rust', 'rustc', ['counted.rs'])
      : build(`counted-${linker}`, 'gcc', [...cFlags(linker), 'counted.c', 'counted-work.c', '-ldl']);
  return { command, args: [], probed: command };
}

function buildObject(linker: Linker): { command: string; args: string[]; probed: string } {
  const name = `libcounted-${linker}.so`;
  const probed =
    linker === 'rust'
      ? build(name, 'rustc', ['--crate-type=cdylib', 'counted_work.rs'])
      : build(name, 'gcc', [...cFlags(linker), '-shared', '-fPIC', 'counted-work.c']);
  return { command: build(`runs-${linker}`, 'gcc', [...cFlags('bfd'), 'counted.c', '-ldl']), args: [probed], probed };
}

describeKernel('semaphores by linker', () => {
  let watch: KernelWatch;
  const world = useUsdtWorld();
  beforeAll(() => {
    watch = watchKernel();
    directory = mkdtempSync(join(tmpdir(), 'uspan-linkers-'));
  });
  afterAll(async () => {
    rmSync(directory, { recursive: true, force: true });
    await watch.assertNothingLeft();
  });

  const counts = (program: Commanded) => program.ask('semaphores').then(Number);
  const isCounting = (program: Commanded) => expect.poll(() => counts(program), { timeout: 20_000 }).toBeGreaterThan(0);

  async function spansOf(program: Commanded, ids: readonly number[]): Promise<void> {
    for (const id of ids) await program.ask(`pair ${id}`);
    const spans = await world.spans(program.pid, ids.length);
    expect(spans.map(({ attributes }) => attributes.id)).toEqual(ids);
  }

  async function expectUntouched(probed: string, programs: readonly Commanded[], logged: readonly string[]) {
    for (const program of programs) {
      await expect.poll(() => counts(program), { timeout: 20_000 }).toBe(0);
      expect(textDifferences(program.pid, probed)).toEqual([]);
      expect(await program.ask('pair 9')).toBe('ok');
    }
    expect(kernelLogOf(statSync(probed, { bigint: true }).ino)).toEqual(logged);
  }

  const ends: Record<string, (agent: RunningAgent) => Promise<unknown>> = {
    stop: (agent) => agent.stop(),
    SIGKILL: (agent) => agent.kill9(),
  };
  const builds = { program: buildProgram, 'shared object': buildObject };

  for (const linker of linkers) {
    for (const [kind, buildIt] of Object.entries(builds)) {
      test.each(Object.keys(ends))(`${linker}, ${kind}: started before and while attached, after %s`, async (end) => {
        const { command, args, probed } = buildIt(linker);
        const logged = kernelLogOf(statSync(probed, { bigint: true }).ino);
        const before = await world.start(command, args);
        expect(await counts(before)).toBe(0);
        const agent = await world.agent(config, { exeGlobs: [command] });
        await isCounting(before);
        const programs = [before, await world.start(command, args), await world.start(command, args)];
        for (const program of programs) {
          await isCounting(program);
          await spansOf(program, [1, 2]);
        }
        // One that ends leaves the others alone.
        await programs.pop()!.stop();
        for (const program of programs) await program.ask('pair 3');
        for (const program of programs) await world.spans(program.pid, 3);
        await ends[end]!(agent);
        await expectUntouched(probed, programs, logged);
      });
    }
  }

  test.each(['bfd', 'lld'] as const)('%s: what a process forks while attached', async (linker) => {
    const { command, probed } = buildProgram(linker);
    const logged = kernelLogOf(statSync(probed, { bigint: true }).ino);
    const program = await world.start(command);
    const agent = await world.agent(config, { exeGlobs: [command] });
    await isCounting(program);
    const fork = Number(await program.ask('fork 1000'));
    const seen = () => world.receiver.spans().filter(({ resource }) => resource['process.pid'] === fork).length;
    await expect.poll(seen, { timeout: 10_000 }).toBeGreaterThan(10);
    await spansOf(program, [1, 2]);
    expect(textDifferences(fork, probed)).not.toEqual([]);
    await agent.stop();
    expect(textDifferences(fork, probed)).toEqual([]);
    await expectUntouched(probed, [program], logged);
  });

  test.each(['bfd', 'lld'] as const)('%s: a process that runs its program anew', async (linker) => {
    const { command, probed } = buildProgram(linker);
    const logged = kernelLogOf(statSync(probed, { bigint: true }).ino);
    const program = await world.start(command);
    const agent = await world.agent(config, { exeGlobs: [command] });
    await isCounting(program);
    expect(await program.ask('anew')).toBe('ready');
    // It may be attached anew while it is asked.
    const seen = async () => {
      await program.ask('pair 1');
      return world.receiver.spans().filter(({ resource }) => resource['process.pid'] === program.pid).length;
    };
    await expect.poll(seen, { timeout: 20_000 }).toBeGreaterThan(20);
    await agent.stop();
    await expectUntouched(probed, [program], logged);
  });
});
