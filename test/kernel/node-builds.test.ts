import { execFileSync } from 'node:child_process';
import { mkdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { get } from '../support/http.ts';
import { leavesNothingInKernel } from '../support/kernel-leftovers.ts';
import { runProcess } from '../support/process.ts';
import { spansOf } from './go-world.ts';
import { describeKernel } from './native-fixture.ts';
import { type NodeWorld, openNodeWorld } from './node-world.ts';

describeKernel('other builds of Node.js, and other ways to run them', () => {
  leavesNothingInKernel();
  let world: NodeWorld;
  beforeAll(async () => {
    world = await openNodeWorld();
  });
  afterAll(() => world.close());

  test.each(['18', '26'] as const)('Node.js %s without its symbol table: dynamic symbols will do', async (release) => {
    const whole = await world.binary(release);
    const stripped = join(dirname(whole), 'stripped', 'node');
    await mkdir(dirname(stripped), { recursive: true });
    execFileSync('strip', ['--strip-all', '-o', stripped, whole]);
    const server = await world.fixture(stripped);
    const agent = await world.agent({ pids: [server.pid] });
    await get(server.port, '/hello?stripped');
    const [span] = await spansOf(world.receiver, server.pid, 1);
    expect(span!.attributes).toMatchObject({ 'url.path': '/hello', 'url.query': 'stripped' });
    const { report } = await agent.stop();
    const sites = report.probes.filter(({ definition }) => /^node\/(http\/|pg$)/.test(definition));
    expect(new Set(sites.map(({ site }) => site)).size).toBe(6);
    expect(report.lost).toEqual([]);
  });

  test('code in huge pages is out of reach, and said to be', async () => {
    const server = await world.fixture(await world.binary('24'), 'node-http', { nodeArgs: ['--use-largepages=on'] });
    const agent = await world.agent({ pids: [server.pid] });
    await get(server.port, '/hello');
    const { report, stderr } = await agent.stop();
    expect(report.spans.server).toBe(0);
    expect(report.skipped).toContainEqual(
      expect.objectContaining({ definition: 'node/http/server', reason: 'code_moved', pids: [server.pid] }),
    );
    expect(stderr).toContain('--use-largepages');
    const program = join(import.meta.dirname, '../../bin/uspan');
    const discovered = await runProcess(program, ['discover', '--explain', `--pid=${server.pid}`]);
    expect(discovered.stdout).toContain('code_moved');
  });
});
