/** Processes that become other programs, and pids that get other processes: each record goes to the program that made it. */
import { copyFile, rm, writeFile } from 'node:fs/promises';
import { expect, test, vi } from 'vitest';
import { buildGoFixture } from '../support/go-fixture.ts';
import { leavesNothingInKernel } from '../support/kernel-leftovers.ts';
import { type RunningProcess, startProcess } from '../support/process.ts';
import { useWorld } from './go-world.ts';
import { describeKernel } from './native-fixture.ts';

/** Starts it as the process with this pid, which must be free. */
async function startAs(pid: number, path: string, args: readonly string[], name: string): Promise<RunningProcess> {
  for (let tries = 0; tries < 100; tries++) {
    await writeFile('/proc/sys/kernel/ns_last_pid', String(pid - 1));
    const child = await startProcess(path, args, { env: { OTEL_SERVICE_NAME: name } });
    if (child.pid === pid) return child;
    // Another process of this machine was faster.
    await child.exited;
  }
  throw new Error(`pid ${pid} is not to be had`);
}

describeKernel('exec and pid reuse', () => {
  leavesNothingInKernel();
  const world = useWorld();

  /** Server spans by the name in their path, which is that of the program that served them. */
  function served(): { name: string; of: unknown }[] {
    return world.receiver
      .spans()
      .filter(({ attributes }) => attributes['url.path'] !== undefined)
      .map(({ attributes, resource }) => ({
        name: String(attributes['url.path']).slice(1),
        of: resource['service.name'],
      }));
  }

  test('a process that becomes the next program again and again: each span goes to its own program', async () => {
    const path = await world.binary('1.26', 'stripped', 'go-rounds');
    const agent = await world.agent({ exeGlobs: [path] });
    // Probes stay on a file as long as something runs it.
    const holder = await startProcess(path, ['wait']);
    await agent.attached(holder.pid);
    const chains = Array.from({ length: 10 }, async (_, n) => {
      const first = await startProcess(path, ['8', '2'], { env: { OTEL_SERVICE_NAME: `chain-${n}` } });
      expect(await first.exited).toMatchObject({ code: 0 });
    });
    await Promise.all(chains);
    // These run for long enough that uspan can ask them for their names.
    const slow = await startProcess(path, ['2', '2', '1s'], { env: { OTEL_SERVICE_NAME: 'slow' } });
    expect(await slow.exited).toMatchObject({ code: 0 });
    await holder.stop();
    const { report } = await agent.stop();
    const spans = served();
    const foreign = spans.filter(({ name, of }) => of !== name && of !== 'go-rounds');
    expect(foreign).toEqual([]);
    expect(spans.filter(({ name, of }) => of === name).length).toBeGreaterThanOrEqual(4);
    const lost = report.lost.reduce((sum, { count }) => sum + count, 0);
    expect(spans.length).toBe(report.spans.server);
    expect(spans.length + lost).toBeGreaterThanOrEqual(10 * 8 * 2 + 4);
  });

  test('a pid that gets process after process: each span goes to its own process', async () => {
    const path = await world.binary('1.26', 'stripped', 'go-rounds');
    const agent = await world.agent({ exeGlobs: [path] });
    const holder = await startProcess(path, ['wait']);
    await agent.attached(holder.pid);
    const first = await startProcess(path, ['1', '1'], { env: { OTEL_SERVICE_NAME: 'life-0' } });
    await first.exited;
    for (let life = 1; life < 12; life++) {
      const child = await startAs(first.pid, path, ['1', '1'], `life-${life}`);
      expect(await child.exited).toMatchObject({ code: 0 });
    }
    await holder.stop();
    const { report } = await agent.stop();
    const spans = served().filter(({ name }) => name.startsWith('life-'));
    expect(spans.filter(({ name, of }) => of !== name && of !== 'go-rounds')).toEqual([]);
    expect(new Set(spans.map(({ name }) => name)).size).toBe(12);
    expect(report.lost).toEqual([]);
  });

  test('starts through wrappers: every start is traced whole and told once', async () => {
    const path = await world.binary('1.26', 'stripped', 'go-rounds');
    const agent = await world.agent({ exeGlobs: [path] });
    const first = await startProcess('/usr/bin/setsid', ['env', 'nice', path, '1', '1', '1h']);
    await agent.attached(first.pid);
    await first.stop();
    for (let start = 0; start < 100; start++) {
      const env = { OTEL_SERVICE_NAME: `start-${start}` };
      const child = await startProcess('/usr/bin/setsid', ['env', 'nice', path, '1', '3', '1h'], { env });
      await child.waitForLine(/^served$/);
      await agent.attached(child.pid);
      await child.stop();
    }
    const told = (what: string) => agent.stderr().match(new RegExp(` ${what} \\{`, 'g'))?.length;
    await vi.waitFor(() => expect(told('detached')).toBe(101), 20_000);
    const { report } = await agent.stop();
    const spans = served().filter(({ name }) => name.startsWith('start-'));
    expect(spans.length).toBe(300);
    expect(spans.filter(({ name, of }) => name !== of && of !== 'go-rounds')).toEqual([]);
    expect(report.lost).toEqual([]);
    expect([told('attached'), told('detached')]).toEqual([101, 101]);
  });

  test('a program that a rule names by its path: traced from the first request of its first start, and many short ones at once', async () => {
    const path = await world.binary('1.26', 'stripped', 'go-rounds');
    const agent = await world.agent({ exeGlobs: [path] });
    const starts = Array.from({ length: 100 }, async (_, n) => {
      const child = await startProcess(path, ['1', '3', '50ms'], { env: { OTEL_SERVICE_NAME: `short-${n}` } });
      expect(await child.exited).toMatchObject({ code: 0 });
    });
    await Promise.all(starts);
    const { report } = await agent.stop();
    const spans = served();
    expect(spans.length).toBe(300);
    expect(spans.filter(({ name, of }) => name !== of && of !== 'go-rounds')).toEqual([]);
    expect(report).toMatchObject({ lost: [], shortLivedProcesses: 0 });
  });

  test('a file without a process keeps its probes, and loses them when somebody wants to write to it', async () => {
    const path = await world.binary('1.26', 'stripped', 'go-rounds');
    const agent = await world.agent({ exeGlobs: [path] });
    const first = await startProcess(path, ['wait']);
    await agent.attached(first.pid);
    await first.stop();
    const releases = [await buildGoFixture({ fixture: 'go-rounds', go: '1.27', variant: 'normal' }), `${path}.old`];
    await copyFile(path, releases[1]!);
    for (let n = 0; n < 10; n++) {
      const short = await startProcess(path, ['1', '3'], { env: { OTEL_SERVICE_NAME: 'short' } });
      expect(await short.exited).toMatchObject({ code: 0 });
      // The same inode with other code, as `cp` leaves it. It waits until the file has no breakpoints.
      await copyFile(releases[n % 2]!, path);
      const other = await startProcess(path, ['1', '1', '50ms'], { env: { OTEL_SERVICE_NAME: 'other' } });
      expect(await other.exited).toMatchObject({ code: 0 });
    }
    await rm(path);
    const { report } = await agent.stop();
    const spans = served();
    expect(spans.filter(({ name }) => name === 'short').length).toBeGreaterThanOrEqual(3);
    expect(spans.filter(({ name, of }) => name !== of && of !== 'go-rounds')).toEqual([]);
    // The probes come one after the other while a program runs, and it ends as soon as it has its last answer.
    for (const { reason } of report.lost) expect(reason).toMatch(/^(never_ended|process_ended|unfinished_at_exit)$/);
  });
});
