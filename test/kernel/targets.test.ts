import { copyFile, mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { get } from '../support/http.ts';
import { leavesNothingInKernel } from '../support/kernel-leftovers.ts';
import { runProcess, startProcess } from '../support/process.ts';
import { spansOf, useWorld } from './go-world.ts';
import { describeKernel } from './native-fixture.ts';

describeKernel('many programs', () => {
  leavesNothingInKernel();
  const world = useWorld();
  let directory: string;

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'uspan-targets-'));
  });

  afterEach(() => rm(directory, { recursive: true }));

  async function copyOf(program: string, name: string): Promise<string> {
    const path = join(directory, name);
    await mkdir(join(path, '..'), { recursive: true });
    await copyFile(program, path);
    return path;
  }

  test('a storm of short ones: each file is read once, one that no rule selects never', async () => {
    const server = await world.binary();
    const [chosen, stranger] = [await copyOf('/bin/sleep', 'in/sleep'), await copyOf('/bin/sleep', 'out/sleep')];
    const agent = await world.agent({ exeGlobs: [`${directory}/in/*`, server] });
    // They run as long as it takes to look at them. All others end at once.
    const long = [await startProcess(chosen, ['1h']), await startProcess(stranger, ['1h'])];
    for (let n = 0; n < 100; n++) await runProcess(n % 2 ? chosen : stranger, ['0']);
    // Files are read in the order of their programs' starts.
    const last = await world.server(server);
    await agent.attached(last.pid);
    for (let n = 0; n < 20; n++) await runProcess(chosen, ['0']);
    await Promise.all(long.map((sleeper) => sleeper.stop()));
    // Its first process has ended, but the plan for the file is still known.
    await last.stop();
    const again = await world.server(server);
    await agent.attached(again.pid);
    await get(again.port, '/hello');
    await spansOf(world.receiver, again.pid, 1);
    const { report } = await agent.stop();
    expect(report).toMatchObject({ filesRead: 2, lost: [], spans: { server: 1 } });
  });

  test('an end with many attached: every span that was finished is sent', async () => {
    const programs = await Promise.all(Array.from({ length: 12 }, () => world.binary()));
    const servers = await Promise.all(programs.map((path) => world.server(path)));
    const agent = await world.agent({ exeGlobs: programs, env: { OTEL_BSP_SCHEDULE_DELAY: '60000' } });
    for (const { port } of servers) for (let n = 0; n < 5; n++) await get(port, '/hello');
    const { report, code } = await agent.stop();
    expect(code).toBe(0);
    expect(report).toMatchObject({ spans: { server: 60 }, exported: 60, lost: [], filesRead: 12 });
    expect(world.receiver.spanCount).toBe(60);
  });
});
